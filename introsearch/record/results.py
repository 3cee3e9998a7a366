"""A study and its results, read back from the record."""

from __future__ import annotations

import json
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from introsearch.errors import ConfigError
from introsearch.record import tags as record
from introsearch.record.frames import read_frame
from introsearch.record.runs import find_experiment, read_expansion, runs_of
from introsearch.results.result import StudyResult, choose_configurations, summary_of
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study


def read_study(client: MlflowClient, name: str) -> Study:
    """The study as it was last run under that name.

    Raises:
        ConfigError: the store has no such study, or not its description any more.
    """
    run = study_run(client, name)
    folders = json.loads(run.data.tags.get(record.MODULE_FOLDERS, "[]"))
    path = download_study(client, run)
    return load_study(path, name=name, module_folders=[*folders, str(Path.cwd())])


def download_study(client: MlflowClient, run: Run) -> Path:
    """The file that describes the study of a study's own run.

    Raises:
        ConfigError: it is not there any more.
    """
    try:
        return Path(client.download_artifacts(run.info.run_id, record.STUDY_ARTIFACT))
    except (MlflowException, OSError) as error:
        raise ConfigError(
            f"{record.STUDY_ARTIFACT} of the study {run.info.run_name!r} cannot be read: "
            f"{str(error).partition(chr(10))[0][:200]}",
            hint="the record's artifacts must be reachable from here; `run` writes it again",
        ) from error


def study_run(client: MlflowClient, name: str) -> Run:
    """The study's own run.

    Raises:
        ConfigError: the store has no such study.
    """
    return next(runs_of(client, find_experiment(client, name), level="study"))


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
