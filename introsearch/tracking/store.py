"""Opening an MLflow store: whether it answers, and no chatter."""

from __future__ import annotations

import logging
import os

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from introsearch.errors import ConfigError

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}


def open_store(uri: str) -> MlflowClient:
    """A client whose store was reached; a missing SQLite file is created.

    Args:
        uri: a legal address (`tracking.address.check_uri`).

    Raises:
        ConfigError: nothing answers there.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for logger in ("alembic", "mlflow"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise ConfigError(
            f"the MLflow store {uri} does not answer: {str(error).splitlines()[0][:200]}",
            key="--tracking-uri",
            hint="start the server, or leave --tracking-uri out to use a local SQLite file",
        ) from error
    return client
