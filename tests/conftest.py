"""A real MLflow store on SQLite, made once per session and copied, since making one takes 2 s."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Warnings are errors here, but these are about the insides of MLflow.
OF_MLFLOW = (
    r"ignore:The ``noload`` loader strategy",  # a deprecated option of SQLAlchemy
)


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # each core may have a pytest-xdist worker
    for line in OF_MLFLOW:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is computed from data sets is kept for the session, and not in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def small_grid() -> Iterator[None]:
    """The costly metric without its costs, for tests that are not about its value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("introsearch.metrics.elbo.NUM_GRID", 64)
        patch.setattr("introsearch.metrics.elbo.NUM_DATA", 1_000)
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from introsearch.tracking.store import open_store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    close(open_store(f"sqlite:///{path}"))
    return path


@pytest.fixture
def client(empty_database: Path, tmp_path: Path) -> Iterator[MlflowClient]:
    """Of an empty store in `tmp_path`."""
    path = tmp_path / "mlflow.db"
    shutil.copy(empty_database, path)
    opened = open_quickly(path)
    yield opened
    close(opened)


def open_quickly(path: Path) -> MlflowClient:
    """A client of an existing SQLite store that does not wait for the disk."""
    from sqlalchemy import event

    from introsearch.tracking.store import open_store

    client = open_store(f"sqlite:///{path}")
    engine = client._tracking_client.store.engine
    engine.dispose()
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))
    return client


def close(client: MlflowClient) -> None:
    """MLflow leaves its connections to the garbage collector, which warns."""
    client._tracking_client.store.engine.dispose()
