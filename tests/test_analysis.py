"""The scripts in analysis/, on recorded studies and on bad input."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.record.recorder import open_recorder
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, report_trials, select_trials
from introsearch.trial.evaluation import Evaluation

ANALYSIS = Path(__file__).parents[1] / "analysis"
HELPERS = ("common", "figures", "trained_models")
SCRIPTS = sorted(
    path.stem
    for path in ANALYSIS.glob("*.py")
    if path.stem.startswith(("prior_learning", "evalp", "collapse"))
)
POINTS = """\
name: points
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2, 3]}
parameters:
  dataset: rings
  beta_rec: 0.2
  beta_kl: {values: [0.1, 0.3]}
  iterations: 20
  warmup_iterations: 4
  handover_iterations: 2
  lr_milestones: []
  hidden_units: 8
variants:
  sg: {prior: gaussian}
  ip_lc: {prior: mog, components: 64, intro_prior: true, learnable_contributions: true}
"""
IMAGES = """\
name: images
trainer: sintrovae
metric: {name: fid_gen}
metrics: [{name: fid_gen_paper}, {name: responsibility_entropy_paper}]
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2, 3]}
parameters: {dataset: digits, batch_size: 64, epochs: 4, warmup_epochs: 1, handover_epochs: 1}
variants:
  sg: {prior: gaussian}
  ip10: {prior: mog, components: 10, intro_prior: true, r_entropy: {values: [0, 10]}}
"""

COLLAPSE = """\
name: collapse
trainer: collapse_hvae
metric: {name: loss_gap}
groups: [variant, beta2]
seeds: {select: [], report: [1, 2, 3]}
parameters: {sigma1: 0.25, latent_dim: 3, beta2: {values: [1, 2]}}
variants:
  learnt: {}
  fixed: {sigma2: 0.2}
"""
DETAILS = (
    "eigenvalue", "unit_kl", "unit_kl_z2", "predicted_unit_kl", "predicted_unit_kl_z2",
)  # fmt: skip


def recorded(client: MlflowClient, text: str, folder: Path) -> Study:
    """A study that has ended: every metric of every trial counts up."""
    path = folder / "study.yaml"
    path.write_text(text)
    study = load_study(path)
    recorder = open_recorder(client, study, folder=folder / study.name)
    expansion = expand(study)
    chosen = {group: members[0].id for group, members in expansion.members.items()}
    for trial in [*select_trials(study, expansion), *report_trials(study, expansion, chosen)]:
        best = trial.configuration.id in chosen.values()
        names = [*study.metric_goals, "loss/nelbo_real", "loss/nelbo_fake"]
        if "active_modes" in names:
            names += [f"{name}/{i:02d}" for name in DETAILS for i in (1, 2, 3)]
        values = dict.fromkeys(names, trial.seed + (1.0 if best else 2.0))
        recorder.start(trial)
        evaluations = [
            Evaluation(iteration=i, status="running", metrics=values, timestamp_ms=i, seconds=1.0)
            for i in (10, 20)
        ]
        recorder.log(trial, evaluations, rungs=())
        recorder.end(trial, Status.FINISHED)
    return study


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs a script in this process, on the store in `tmp_path`; returns its exit code."""
    monkeypatch.syspath_prepend(str(ANALYSIS))
    monkeypatch.chdir(tmp_path)

    def run(name: str, *options: str) -> int:
        path = ANALYSIS / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), "--runs-dir", str(tmp_path), *options])
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            for helper in HELPERS:
                sys.modules.pop(helper, None)
        return 0

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_study_is_one_line(
    client: MlflowClient, script: Callable[..., int], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert script(name, "--study", "nothing") == 2
    assert capsys.readouterr().err.startswith("error: the store has no study 'nothing'\n")


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("prior_learning_table1", POINTS, ("--published", "--format", "tex")),
        ("prior_learning_table1", POINTS, ()),
        ("prior_learning_table3", POINTS, ("--published",)),
        ("prior_learning_table4", POINTS, ("--published",)),
        ("prior_learning_table5", IMAGES, ("--published",)),
        ("prior_learning_table5_weights", IMAGES, ("--published",)),
        ("evalp_table", IMAGES, ("--format", "csv")),
        ("collapse_table", COLLAPSE, ()),
        ("collapse_table", COLLAPSE, ("--format", "tex")),
    ],
)
def test_tables(
    client: MlflowClient,
    script: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    options: tuple[str, ...],
) -> None:
    study = recorded(client, text, tmp_path)
    assert script(name, "--study", study.name, *options) == 0
    shown = capsys.readouterr().out
    assert (
        "3.0" in shown or "beta_kl" in shown or "r_entropy" in shown
    )  # the mean of the report seeds, or settings


@pytest.mark.parametrize(
    ("name", "text", "files"),
    [
        ("prior_learning_figure2", IMAGES, ["figure2"]),
        ("prior_learning_supplement_figure4", IMAGES, ["entropy_digits_ip10"]),
        ("evalp_prior_hole", IMAGES, ["prior_hole"]),
        ("collapse_figures", COLLAPSE, ["collapse"]),
        (
            "prior_learning_proposition1",
            IMAGES,
            ["proposition1_digits_sg", "proposition1_digits_ip10"],
        ),
    ],
)
def test_figures(
    client: MlflowClient,
    script: Callable[..., int],
    tmp_path: Path,
    name: str,
    text: str,
    files: list[str],
) -> None:
    study = recorded(client, text, tmp_path)
    out = tmp_path / "out"
    assert script(name, "--study", study.name, "--out", str(out)) == 0
    wanted = sorted(f"{file}.{fmt}" for file in files for fmt in ("png", "pdf"))
    assert sorted(path.name for path in out.iterdir()) == wanted


@pytest.mark.parametrize(
    ("name", "text", "prefix"),
    [
        ("prior_learning_figure3", POINTS, "figure3_rings"),
        pytest.param(
            "prior_learning_supplement_figures5_6",
            IMAGES,
            "latents_digits",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_models_are_drawn_from_checkpoints(
    client: MlflowClient,
    script: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    prefix: str,
) -> None:
    import torch

    from introsearch.files import checkpoint_path
    from introsearch.study.sections import Resources
    from introsearch.trial.order import order_of
    from introsearch.trial.run import TrialRun

    study = recorded(client, text, tmp_path)
    arguments = ("--study", study.name, "--out", str(tmp_path / "out"))
    assert script(name, *arguments) == 2
    assert "there is no checkpoint" in capsys.readouterr().err
    expansion = expand(study)
    chosen = {group: members[0].id for group, members in expansion.members.items()}
    for trial in report_trials(study, expansion, chosen):
        run = TrialRun(order_of(study, trial, resources=Resources(), folder=""))
        path = checkpoint_path(tmp_path / study.name, trial.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(run.state_dict(), path)
    assert script(name, *arguments) == 0
    drawn = {path.name for path in (tmp_path / "out").iterdir()}
    assert drawn == {f"{prefix}.png", f"{prefix}.pdf"}
    other = {"prior_learning_figure3", "prior_learning_supplement_figures5_6"} - {name}
    assert script(other.pop(), *arguments) == 2
    assert "is no model that this script can draw" in capsys.readouterr().err
