"""A record of an earlier version is read, replayed and gone on with.

It holds a small study, run to its end: of nine trials of the search, two finished, four were
stopped early and three diverged; four reported ones finished.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from introsearch.cli import main
from introsearch.commands.options import EXIT_DONE
from introsearch.extensions import resolve
from introsearch.settings.base import resolve_settings

RECORD = Path(__file__).parent / "record"
PLACEHOLDER = "@FOLDER@"  # stands for the folder that held the study file and the runs folder
REPLAY_TOLERANCE = 1e-2  # relative: other processors round otherwise
TABLE = (RECORD / "table.csv").read_text().strip()
TIMEOUT_S = 200

FINISHED, DIVERGED = "5305c6b6fc39-s0", "37cc700d17c7-s0"
CHECKPOINT = "fb9d8bb3657f-s1"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """The store as it was, or brought up to date as a user is told to if MLflow is a later one."""
    database = tmp_path_factory.mktemp("golden") / "mlflow.db"
    text = gzip.decompress((RECORD / "mlflow.sql.gz").read_bytes()).decode()
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(text)
    query = "SELECT version_num FROM alembic_version"
    if rows(database, query) != rows(empty_database, query):
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{database}"]
        subprocess.run(command, check=True, timeout=TIMEOUT_S, capture_output=True)
    return database


@pytest.fixture(scope="module")
def folder(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the study file and the runs folder, for whoever does not change them."""
    return restored(template, tmp_path_factory.mktemp("folder"))


def restored(template: Path, folder: Path) -> Path:
    study = folder / "runs" / "golden"
    (study / "checkpoints").mkdir(parents=True)
    shutil.copy(RECORD / "study.yaml", folder)
    checkpoint = gzip.decompress((RECORD / "checkpoints" / f"{CHECKPOINT}.pt.gz").read_bytes())
    (study / "checkpoints" / f"{CHECKPOINT}.pt").write_bytes(checkpoint)
    shutil.copy(template, store(folder))
    columns = {"experiments": "artifact_location", "runs": "artifact_uri", "tags": "value"}
    with closing(sqlite3.connect(store(folder))) as connection:
        for table, column in columns.items():
            update = f"UPDATE {table} SET {column} = REPLACE({column}, ?, ?)"
            connection.execute(update, (PLACEHOLDER, str(folder)))
        connection.commit()
    ((location,),) = rows(
        store(folder),
        "SELECT artifact_uri FROM runs JOIN tags USING (run_uuid)"
        " WHERE key = 'introsearch.level' AND value = 'study'",
    )
    artifacts = Path(location.removeprefix("file://"))
    artifacts.mkdir(parents=True)
    shutil.copy(RECORD / "study.json", artifacts)
    return folder


def store(folder: Path) -> Path:
    return folder / "runs" / "mlflow.db"


def rows(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_nothing_tells_of_the_machine_that_made_it():
    text = gzip.decompress((RECORD / "mlflow.sql.gz").read_bytes()).decode()
    assert "/tmp" not in text
    assert "/home" not in text
    assert "'introsearch.host','somewhere'" in text


def test_it_is_reported_counted_and_replayed_as_ever(folder, capsys, monkeypatch):
    monkeypatch.setattr("introsearch.replay.repeat.TOLERANCE", REPLAY_TOLERANCE)

    def said(line: str) -> str:
        assert main([*line.split(), f"--runs-dir={folder / 'runs'}"]) == EXIT_DONE
        return capsys.readouterr().out

    assert said("report golden --format csv").strip() == TABLE
    trials = Counter(
        trial["status"] for trial in json.loads(said("status golden --json"))["trials"]
    )
    assert trials == {"finished": 6, "stopped": 4, "diverged": 3}
    for trial in (FINISHED, DIVERGED):
        assert "It matches" in said(f"replay {trial}")


@pytest.mark.slow
def test_running_the_study_again_runs_nothing(template, tmp_path):
    folder = restored(template, tmp_path)
    query = (
        "SELECT run_uuid, start_time, end_time, runs.status, lifecycle_stage FROM runs"
        " JOIN tags USING (run_uuid) WHERE key = 'introsearch.level' AND value = 'seed'"
    )
    before = rows(store(folder), query)
    assert len(before) == 13
    command = ["run", str(folder / "study.yaml"), f"--runs-dir={folder / 'runs'}"]
    done = subprocess.run(
        [sys.executable, "-m", "introsearch", *command],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "RAY_TMPDIR": str(folder / "ray")},
        check=True,
        timeout=TIMEOUT_S,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "Begun by an earlier version, it goes on without the corrections" in done.stdout
    assert rows(store(folder), query) == before
    assert rows(store(folder), "SELECT COUNT(*) FROM runs") == [(23,)]
    assert not (folder / "ray").exists()  # nor was it started
    assert (folder / "runs" / "golden" / "table.csv").read_text().strip() == TABLE


def test_the_checkpoint_of_a_trial_is_the_end_of_its_training(folder):
    path = folder / "runs" / "golden" / "checkpoints" / f"{CHECKPOINT}.pt"
    state = torch.load(path, map_location="cpu", weights_only=True)
    what = state["what"]
    settings = resolve_settings(what["trainer"], what["settings"])
    trainer = resolve("trainer", what["trainer"])(settings, seed=what["seed"])
    trainer.load_state_dict(state["trainer"])
    assert trainer.iteration == settings.iterations == 60
    (last,) = state["evaluations"][-1:]
    recorded = dict(
        rows(
            store(folder),
            "SELECT latest_metrics.key, latest_metrics.value FROM latest_metrics"
            " JOIN tags AS a USING (run_uuid) JOIN tags AS b USING (run_uuid)"
            " WHERE a.key = 'introsearch.config_id' AND b.key = 'introsearch.seed'"
            f" AND a.value || '-s' || b.value = '{CHECKPOINT}'",
        )
    )
    assert last["metrics"].items() <= recorded.items()
    metrics = trainer.evaluate(["hist_kl_paper", "active_units"])
    assert metrics == pytest.approx({name: last["metrics"][name] for name in metrics}, rel=1e-2)
