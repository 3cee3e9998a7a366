"""A study's report, and its MLflow run."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from introsearch.results.result import study_run
from introsearch.results.runs import find_experiment
from introsearch.tracking.address import without_user

ARTIFACTS = "report"


def attach_report(client: MlflowClient, name: str, folder: Path) -> None:
    """Keep a report with the study's run; an earlier one is replaced.

    Args:
        client: of the store.
        name: the study's name.
        folder: of the report.
    """
    client.log_artifacts(study_run(client, name).info.run_id, str(folder), ARTIFACTS)


def runs_url(client: MlflowClient, name: str) -> str:
    """Where an MLflow server shows a study's runs; empty for a database, which has no pages."""
    uri = str(client.tracking_uri)
    if not uri.startswith("http"):
        return ""
    return f"{without_user(uri).rstrip('/')}/#/experiments/{find_experiment(client, name)}/runs"
