"""Stores that cannot be opened say what to do."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.errors import ConfigError
from introsearch.record.store import open_store


def test_a_store_of_another_version_of_mlflow(client: MlflowClient, tmp_path: Path) -> None:
    path = tmp_path / "other.db"  # MLflow looks at a file only once
    shutil.copy(tmp_path / "mlflow.db", path)
    database = sqlite3.connect(path)
    database.execute("UPDATE alembic_version SET version_num = 'fffffffffffe'")
    database.commit()
    database.close()
    with pytest.raises(ConfigError, match="out-of-date database schema") as caught:
        open_store(f"sqlite:///{path}")
    assert "another version of MLflow wrote it" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_not_blamed_on_a_server(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot make the folder") as caught:
        open_store(f"sqlite:///{tmp_path}/file/runs/mlflow.db")
    assert "--runs-dir" in caught.value.hint
