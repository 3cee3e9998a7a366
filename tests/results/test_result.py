"""What a study's own table shows."""

from pathlib import Path

import pandas as pd

from introsearch.results.result import StudyResult, summary_of
from introsearch.study.file.loader import load_study
from introsearch.study.search.expand import expand

STUDY = """\
trainer: latent_gmm
metric: {name: mmd_latent}
groups: [variant]
seeds: {select: [], report: [1, 2]}
parameters: {dataset: latent_4gaussians}
"""


MODES = """\
trainer: collapse_vae
metric: {name: kl_gap}
groups: [variant]
seeds: {select: [], report: [1, 2]}
parameters: {iterations: 10}
variants:
  linear: {}
  network: {activation: relu}
evaluate_every: 10
"""


def finished(text: str, folder: Path) -> StudyResult:
    """A study whose reported trials have finished, with 0.5 for every metric."""
    (folder / "s.yaml").write_text(text)
    study = load_study(folder / "s.yaml")
    expansion = expand(study)
    measured = {f"metric.{name}": 0.5 for name in study.metric_goals}
    runs = [
        {"config_id": c.id, "seed": seed, "groups": list(c.groups), "status": "finished"}
        for c in expansion.configurations
        for seed in (1, 2)
    ]
    frame = pd.DataFrame([{**run, "extractor": "", **measured} for run in runs])
    chosen: dict[str, str | None] = {c.groups[0]: c.id for c in expansion.configurations}
    summary = summary_of(study, expansion, frame, chosen=chosen)
    return StudyResult(
        study=study, expansion=expansion, frame=frame, chosen=chosen, summary=summary
    )


def test_wall_times_are_recorded_and_not_in_the_table(tmp_path: Path) -> None:
    result = finished(STUDY, tmp_path)
    assert "sampling_ms" in set(result.summary["metric"])
    for fmt in ("md", "csv", "tex"):
        assert "mmd" in result.table(fmt)
        assert "sampling" not in result.table(fmt)


def test_what_a_configuration_cannot_be_judged_by_is_not_missing(tmp_path: Path) -> None:
    """A network has no `omega_gap`: a dash beside linear maps, and no column alone."""
    both = finished(MODES, tmp_path)
    header, _, linear, network = [
        line.strip("|").split("|") for line in both.table("md").splitlines() if line[:1] == "|"
    ]
    column = [title.strip() for title in header].index("omega_gap ↓")
    assert [linear[column].strip(" *"), network[column].strip()] == ["0.5000 ± 0", "-"]
    assert [linear[-1].strip(), network[-1].strip()] == ["2", "2"]
    assert "network,omega_gap" not in both.table("csv")
    alone = finished(MODES.replace("  linear: {}\n", ""), tmp_path)
    assert "lam_gap" in alone.table("md")
    assert "omega_gap" not in alone.table("md")
