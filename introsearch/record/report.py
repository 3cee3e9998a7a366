"""A study's report, and its MLflow run."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from introsearch.record import artifacts
from introsearch.record.address import without_user
from introsearch.record.results import study_run
from introsearch.record.runs import find_experiment, read_histories
from introsearch.record.store import store_errors
from introsearch.results.report.contents import StudyReport, followed, make_report
from introsearch.results.result import StudyResult


@store_errors
def read_report(client: MlflowClient, result: StudyResult) -> StudyReport:
    """The report of a recorded study.

    Args:
        client: of the store, for learning curves.
        result: as returned by `record.results.read_result`.

    Raises:
        RecordError: the store cannot be read.
    """
    metric, run_ids = followed(result)
    experiment_id = find_experiment(client, result.study.name)
    return make_report(result, read_histories(client, experiment_id, run_ids, metric=metric))


@store_errors
def attach_report(client: MlflowClient, name: str, folder: Path) -> None:
    """Keep a report with the study's run; an earlier one is replaced.

    Args:
        client: of the store.
        name: the study's name.
        folder: of the report.
    """
    run_id = study_run(client, name).info.run_id
    artifacts.put_folder(client, run_id, folder, artifacts.REPORT)


@store_errors
def runs_url(client: MlflowClient, name: str) -> str:
    """Where an MLflow server shows a study's runs; empty for a database, which has no pages."""
    uri = str(client.tracking_uri)
    if not uri.startswith("http"):
        return ""
    return f"{without_user(uri).rstrip('/')}/#/experiments/{find_experiment(client, name)}/runs"
