"""A real MLflow store on SQLite, and a small study file with a loader for its text.

The store is made once per session and copied, since making one takes 2 s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from introsearch.study.file.loader import load_study
from introsearch.study.model import Study

if TYPE_CHECKING:
    from mlflow import MlflowClient

SMALL = """\
name: small
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2]}
parameters:
  dataset: {values: [8gaussians, rings]}
  beta_kl: {values: [0.1, 0.3]}
  beta_neg: {times: beta_kl, values: [1, 3]}
  iterations: 30000
variants:
  sg: {prior: gaussian}
  ip:
    prior: mog
    components: 8
    intro_prior: true
early_terminate: {type: asha, min_iter: 3000, max_iter: 30000, eta: 3}
"""

Load = Callable[..., Study]

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
    from introsearch.record.store import open_store

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

    from introsearch.record.store import open_store

    client = open_store(f"sqlite:///{path}")
    engine = client._tracking_client.store.engine
    engine.dispose()
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))
    return client


def close(client: MlflowClient) -> None:
    """MLflow leaves its connections to the garbage collector, which warns."""
    client._tracking_client.store.engine.dispose()


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str, *overrides: str, name: str | None = None) -> Study:
        path = tmp_path / "study.yaml"
        path.write_text(text, encoding="utf-8")
        return load_study(path, overrides=overrides, name=name)

    return load_text
