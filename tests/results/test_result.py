"""What a study's own table shows."""

from pathlib import Path

import pandas as pd

from introsearch.results.comparison import compare
from introsearch.results.result import StudyResult, blocks_of
from introsearch.results.statistics import summarise
from introsearch.study.expand import expand
from introsearch.study.loader import load_study

STUDY = """\
trainer: latent_gmm
metric: {name: mmd_latent}
groups: [variant]
seeds: {select: [], report: [1, 2]}
parameters: {dataset: latent_4gaussians}
"""


def test_wall_times_are_recorded_and_not_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(STUDY)
    study = load_study(tmp_path / "s.yaml")
    expansion = expand(study)
    (configuration,) = expansion.configurations
    measured = {f"metric.{name}": 0.5 for name in study.metric_goals}
    runs = [
        {"config_id": configuration.id, "seed": seed, "groups": ["default"], "status": "finished"}
        for seed in (1, 2)
    ]
    frame = pd.DataFrame([{**run, "extractor": "", **measured} for run in runs])
    chosen: dict[str, str | None] = {"default": configuration.id}
    goals, seeds = study.metric_goals, (1, 2)
    summary = summarise(frame, metrics=list(goals), chosen=chosen, seeds=seeds)
    blocks = blocks_of(("default",))
    result = StudyResult(
        study=study,
        expansion=expansion,
        frame=frame,
        chosen=chosen,
        summary=compare(summary, frame, goals=goals, seeds=seeds, blocks=blocks),
    )
    assert "sampling_ms" in set(result.summary["metric"])
    for fmt in ("md", "csv", "tex"):
        assert "mmd" in result.table(fmt)
        assert "sampling" not in result.table(fmt)
