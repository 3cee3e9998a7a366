"""Every kind of trial is tried, and all that is wrong with any is said at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.execution.preflight import rehearsal
from introsearch.extensions import metrics_for
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.search.expand import expand
from introsearch.trial.evaluation import Evaluation

STUDY = """\
name: tried
trainer: sintrovae
metric: {name: METRIC, goal: minimize}
groups: [dataset, variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: {values: [DATA]}
  batch_size: 8
variants:
  sg: {prior: gaussian}
"""
OWN = """\
import torch
from introsearch.data.toy import Rings

def crooked(view, generator):
    return [1, 2]

class Broken(Rings):
    def sample(self, n, generator):
        return [][0]

class Hungry(Rings):
    def sample(self, n, generator):
        return torch.empty(1 << 50)

class Leaving(Rings):
    def sample(self, n, generator):
        raise SystemExit("bye")
"""
SHIPPED = Path(__file__).parents[3] / "search_spaces"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTROSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def write(text: str, *, metric: str = "hist_kl_paper", data: str = "rings") -> None:
    Path("tried.yaml").write_text(text.replace("METRIC", metric).replace("DATA", data))


def test_a_sound_study(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    write(
        STUDY + "  ip: {prior: mog, components: 300, intro_prior: true}\n", data="rings, 2spirals"
    )
    assert main(["check", "tried.yaml"]) == EXIT_DONE
    output = capsys.readouterr().out.splitlines()
    assert output[:4] == [
        "trying 1 of 4: rings / sg",
        "trying 2 of 4: rings / ip",
        "trying 3 of 4: 2spirals / sg",
        "trying 4 of 4: 2spirals / ip",
    ]
    assert output[4].startswith("tried: all works (")
    assert os.listdir(folder) == ["tried.yaml"]  # nothing is left, in the cache neither
    assert torch.get_num_threads() == threads
    assert os.environ["INTROSEARCH_CACHE"] == str(folder / "cache")


def test_all_that_is_wrong_is_said_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tried_own.py").write_text(OWN)
    data = ["rings", *(f"'tried_own:{name}'" for name in ("Broken", "Hungry", "Leaving"))]
    write(STUDY, metric="tried_own:crooked", data=", ".join(data))
    with Path("tried.yaml").open("a") as file:
        file.write(
            "  other: {prior: gaussian, beta_kl: 0.5}\n"
            "  images: {dataset: mnist, train_images: 10}\n"
            "  hot: {dataset: rings, learning_rate: 1.0e+30}\n"
            "resources: {cpus: 1000}\n"
        )
    assert main(["check", "tried.yaml", "--cluster", "inline"]) == EXIT_BAD_INPUT
    faults = capsys.readouterr().err.removeprefix("error: ").split("\nerror: ")
    own = folder / "tried_own.py"
    assert len(faults) == 7
    for fault, start, end in zip(
        faults,
        (
            "resources.cpus: a trial wants 1000 CPUs",
            "tried.yaml:3: metric: tried_own:crooked gives a list",
            "diverges at once: loss term 'loss' is not finite at iteration 2",
            f"IndexError: list index out of range ({own}:9)",
            "out of memory (",
            f"SystemExit: bye ({own}:17)",
            "mnist is not in the data folder",
        ),
        (
            "--set resources.cpus=1",
            "in: rings / sg, rings / other",
            "in: rings / hot",
            "in: tried_own:Broken / sg, tried_own:Broken / other",
            "in: tried_own:Hungry / sg, tried_own:Hungry / other",
            "in: tried_own:Leaving / sg, tried_own:Leaving / other",
            "in: mnist / images",
        ),
        strict=True,
    ):
        assert fault.startswith(start), fault
        assert fault.rstrip().endswith(end), fault


def test_settings_are_found_in_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(STUDY + "  few: {train_images: 5000}\n", metric="fid_gen", data="digits")
    assert main(["check", "tried.yaml"]) == EXIT_BAD_INPUT
    assert "tried.yaml:11: variants.few.train_images: 5,000 train images are asked for" in (
        capsys.readouterr().err
    )


def test_every_phase_metric_figure_and_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last evaluation is of a trial that was made again from its first one's checkpoint."""
    write(STUDY + "  ip: {prior: mog, components: 4, intro_prior: true}\n")
    study = load_study("tried.yaml")
    seen: list[Evaluation] = []
    files: list[str] = []
    step = rehearsal.KeptTrial.step

    def watched(kept: rehearsal.KeptTrial) -> Evaluation:
        seen.append(step(kept))
        files[:] = sorted(p.suffix for p in Path(kept.order.folder).rglob("*.*") if p.is_file())
        return seen[-1]

    monkeypatch.setattr(rehearsal.KeptTrial, "step", watched)
    assert rehearsal.rehearse(study, overrides=(), notify=lambda text: None) == []
    for configuration in expand(study).configurations:
        of_one, seen[:3] = seen[:3], []
        assert [e.iteration for e in of_one] == [4, 4, 8]
        assert [e.status for e in of_one] == [Status.RUNNING, Status.RUNNING, Status.FINISHED]
        wanted = metrics_for(configuration.trainer, configuration.settings)
        assert set(wanted) <= set(of_one[-1].metrics)
    assert {".pt", ".png", ".log"} <= set(files)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["digits_quick", "evalp_digits", "proposition1", "collapse_cvae_images", "collapse_hvae",
     "evalp_toy", "2d_best"],
)  # fmt: skip
def test_shipped_studies(folder: Path, name: str) -> None:
    assert main(["check", str(SHIPPED / f"{name}.yaml")]) == EXIT_DONE
