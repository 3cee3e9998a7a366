"""What a study's end leaves in the record, where all of its trials are recorded already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from introsearch.execution.inline import InlineBackend
from introsearch.execution.outcomes import best_stopped
from introsearch.execution.progress import Progress
from introsearch.execution.study_runner import StudyRunner
from introsearch.record import tags
from introsearch.record.runs import runs_of
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Trial
from introsearch.study.search.expand import report_trials, select_trials
from introsearch.trial.evaluation import Evaluation

METRIC = "hist_kl_paper"
STUDY = """\
name: ended
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0, 4], report: [1, 2, 3]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2, 0.3]}
  iterations: 800
  warmup_iterations: 100
  lr_milestones: []
variants: {sg: {prior: gaussian}}
early_terminate: {type: asha, min_iter: 200, max_iter: 800, eta: 2}
evaluate_every: 100
"""


@pytest.fixture
def runner(client: MlflowClient, tmp_path: Path) -> StudyRunner:
    (tmp_path / "study.yaml").write_text(STUDY)
    return make_runner(client, tmp_path, study_file=tmp_path / "study.yaml")


def make_runner(client: MlflowClient, folder: Path, *, study_file: Path) -> StudyRunner:
    study = load_study(study_file)
    progress = Progress()
    return StudyRunner(
        study,
        client=client,
        folder=folder / study.name,
        progress=progress,
        backend=InlineBackend(),
    )


def value_of(trial: Trial) -> float:
    return trial.configuration.settings["beta_kl"] + trial.seed


def conclude(
    runner: StudyRunner, trial: Trial, status: str, rungs: Mapping[int, float] | None = None
) -> None:
    """Record a trial's outcome, and what it measured at rungs."""
    runner.recorder.start(trial)
    curve = {**(rungs or {}), **({800: value_of(trial)} if status == Status.FINISHED else {})}
    evaluations = [
        Evaluation(
            iteration=i, status=Status.RUNNING, metrics={METRIC: v}, timestamp_ms=i, seconds=i
        )
        for i, v in curve.items()
    ]
    runner.recorder.log(trial, evaluations, rungs=(200, 400))
    runner.recorder.end(trial, status)


def selected(runner: StudyRunner) -> dict[float, list[Trial]]:
    """The select trials by beta_kl."""
    trials: dict[float, list[Trial]] = {}
    for trial in select_trials(runner.study, runner.expansion):
        trials.setdefault(trial.configuration.settings["beta_kl"], []).append(trial)
    return trials


def test_configurations_are_summarised_over_their_seeds(
    client: MlflowClient, runner: StudyRunner, tmp_path: Path
) -> None:
    for trials in selected(runner).values():
        for trial in trials:
            conclude(runner, trial, Status.FINISHED)
    winner = selected(runner)[0.1][0].configuration.id
    for trial in report_trials(runner.study, runner.expansion, {"sg": winner}):
        conclude(runner, trial, Status.FINISHED)
    assert runner.run().chosen == {"sg": winner}

    def check() -> None:
        runs = list(runs_of(client, runner.recorder.experiment_id, level="configuration"))
        assert len(runs) == 3
        for run in runs:
            chosen = run.data.tags[tags.CONFIG_ID] == winner
            seeds = (1, 2, 3) if chosen else (0, 4)
            values = np.array([float(run.data.params["beta_kl"]) + seed for seed in seeds])
            assert run.data.metrics["n"] == len(seeds)
            assert run.data.metrics[f"{METRIC}.mean"] == pytest.approx(values.mean(), rel=1e-14)
            assert run.data.metrics[f"{METRIC}.std"] == pytest.approx(values.std(ddof=1), rel=1e-12)
            assert run.data.tags[tags.CHOSEN] == ("sg" if chosen else "")
            assert len(client.get_metric_history(run.info.run_id, "n")) == 1
        (study_run,) = runs_of(client, runner.recorder.experiment_id, level="study")
        assert study_run.info.status == "FINISHED"
        kept = {artifact.path for artifact in client.list_artifacts(study_run.info.run_id)}
        assert {"study.json", "table.md", "table.csv", "table.tex"} <= kept

    check()
    make_runner(client, tmp_path, study_file=tmp_path / "study.yaml").run()
    check()


def test_the_best_stopped_configuration_goes_on_if_nobody_finished(runner: StudyRunner) -> None:
    """It got furthest with all of its seeds, and was the best there."""
    trials = selected(runner)
    for trial, value in zip(trials[0.1], (3.0, 4.0), strict=True):
        conclude(runner, trial, Status.STOPPED, {200: value})
    for trial, value in zip(trials[0.2], (2.0, 4.0), strict=True):
        conclude(runner, trial, Status.STOPPED, {200: value})
    conclude(runner, trials[0.3][0], Status.DIVERGED, {200: 0.1, 400: 0.1})
    conclude(runner, trials[0.3][1], Status.STOPPED, {200: 0.1, 400: 0.1})

    def revived() -> list[Trial]:
        everything = [trial for group in trials.values() for trial in group]
        return best_stopped(runner.study, runner.recorder, {"sg": everything})

    assert revived() == trials[0.2]
    conclude(runner, trials[0.2][0], Status.FINISHED)
    assert revived() == trials[0.2][1:]
    conclude(runner, trials[0.2][1], Status.DIVERGED)
    assert revived() == trials[0.1]
    for trial in trials[0.1]:
        conclude(runner, trial, Status.FINISHED)
    assert revived() == []


def test_runs_of_configurations_that_nobody_finished_are_closed_too(
    client: MlflowClient, runner: StudyRunner
) -> None:
    best, *others = selected(runner).values()
    for trial in best:
        conclude(runner, trial, Status.FINISHED)
    for trials in others:
        for trial in trials:
            conclude(runner, trial, Status.STOPPED)
    winner = best[0].configuration.id
    for trial in report_trials(runner.study, runner.expansion, {"sg": winner}):
        conclude(runner, trial, Status.FINISHED)
    runner.run()
    runs = list(runs_of(client, runner.recorder.experiment_id, level="configuration"))
    assert len(runs) == 3
    assert {run.info.status for run in runs} == {"FINISHED"}
