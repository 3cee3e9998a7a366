"""Files that are kept with the runs of a study: the only place that knows where they lie."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from introsearch.errors import ConfigError

STUDY: Final = "study.json"  # what describes the study, with the study's own run
REPORT: Final = "report"  # the folder of the report, beside it


def location_for(client: MlflowClient, folder: Path) -> str | None:
    """Where a new experiment's files go: into the study's folder, if the store is a local file.

    Returns:
        None leaves it to the server.
    """
    local = client.tracking_uri.startswith("sqlite:")
    return (folder / "artifacts").resolve().as_uri() if local else None


def put_json(client: MlflowClient, run_id: str, values: Mapping[str, Any], name: str) -> None:
    """Keep plain values with a run, as JSON."""
    client.log_dict(run_id, dict(values), name)


def put_text(client: MlflowClient, run_id: str, text: str, name: str) -> None:
    """Keep a text with a run."""
    client.log_text(run_id, text, name)


def put_file(client: MlflowClient, run_id: str, path: Path) -> None:
    """Keep a copy of a file with a run."""
    client.log_artifact(run_id, str(path))


def put_folder(client: MlflowClient, run_id: str, folder: Path, name: str) -> None:
    """Keep a copy of a folder with a run, under another name; an earlier one is replaced."""
    client.log_artifacts(run_id, str(folder), name)


@contextmanager
def fetched(client: MlflowClient, run: Run, name: str) -> Iterator[Path]:
    """A copy of a file that is kept with a run, for as long as it is read.

    Raises:
        ConfigError: it is not there any more, or cannot be reached from here.
    """
    with tempfile.TemporaryDirectory(prefix="introsearch-") as folder:
        try:
            path = Path(client.download_artifacts(run.info.run_id, name, folder))
        except (MlflowException, OSError) as error:
            raise ConfigError(
                f"{name} of the study {run.info.run_name!r} cannot be read: "
                f"{str(error).partition(chr(10))[0][:200]}",
                hint="the record's artifacts must be reachable from here; `run` writes it again",
            ) from error
        yield path
