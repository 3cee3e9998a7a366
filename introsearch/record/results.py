"""A study and its results, read back from the record."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from introsearch.record import artifacts
from introsearch.record.frames import read_frame
from introsearch.record.runs import find_experiment, read_expansion, read_seed_runs, runs_of
from introsearch.record.store import store_errors
from introsearch.record.tags import StudyEntry
from introsearch.results.result import StudyResult, choose_configurations, summary_of
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study


@store_errors
def read_study(client: MlflowClient, name: str) -> Study:
    """The study as it was last run under that name.

    Raises:
        ConfigError: the store has no such study, or not its description any more.
    """
    run = study_run(client, name)
    with artifacts.fetched(client, run, artifacts.STUDY) as path:
        return load_recorded(run, path, name=name)


def load_recorded(run: Run, path: Path, *, name: str) -> Study:
    """The study that a study's own run describes.

    Args:
        run: the run.
        path: its description, fetched.
        name: the study's.

    Raises:
        ConfigError: it is not legal any more.
    """
    entry = StudyEntry.from_tags(run.data.tags)
    folders = [*entry.module_folders, str(Path.cwd())]
    return load_study(path, name=name, module_folders=folders, edition=entry.edition)


@store_errors
def as_begun(client: MlflowClient, study: Study) -> Study:
    """The study with the edition of defaults and metrics that it was begun with.

    What has no trial yet begins with the current one.
    """
    experiment = client.get_experiment_by_name(study.name)
    run = experiment and next(runs_of(client, experiment.experiment_id, level="study"), None)
    if not experiment or not run:
        return study
    begun = StudyEntry.from_tags(run.data.tags).edition
    if begun == study.edition:
        return study
    trials = read_seed_runs(client, experiment.experiment_id, attributes=(), metrics=())
    return study.of_edition(begun) if trials else study


def study_run(client: MlflowClient, name: str) -> Run:
    """The study's own run.

    Raises:
        ConfigError: the store has no such study.
    """
    return next(runs_of(client, find_experiment(client, name), level="study"))


@store_errors
def read_result(client: MlflowClient, study: Study) -> StudyResult:
    """All that is recorded of `study` by now.

    Raises:
        ConfigError: the store has no such study.
    """
    expansion = read_expansion(client, study)
    groups = {c.id: c.groups for c in expansion.configurations}
    frame = read_frame(client, find_experiment(client, study.name), groups=groups)
    chosen = choose_configurations(study, expansion, frame)
    return StudyResult(
        study=study,
        expansion=expansion,
        frame=frame,
        chosen=chosen,
        summary=summary_of(study, expansion, frame, chosen=chosen),
    )
