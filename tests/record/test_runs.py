"""Reading the runs of a study: histories, and stores that cannot be read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from introsearch.errors import RecordError
from introsearch.record import runs
from introsearch.record.runs import read_histories, read_seed_runs
from introsearch.record.tags import LEVEL, SeedEntry
from introsearch.study.model import Configuration

ENTRY = SeedEntry(
    configuration=Configuration(
        id="0123456789ab", trainer="vae", settings={"beta_kl": 0.5}, groups=("g",), variants=("v",)
    ),
    seed=3,
    stage="report",
)


@pytest.fixture
def experiment(client: MlflowClient) -> str:
    return str(client.create_experiment("any"))


def make_run(client: MlflowClient, experiment: str, values: dict[int, float]) -> str:
    run = client.create_run(experiment, tags={LEVEL: "seed", **ENTRY.to_tags()})
    points = [Metric("m", value, step, step) for step, value in values.items()]
    client.log_batch(run.info.run_id, points)
    return str(run.info.run_id)


def test_histories_are_those_that_mlflow_tells(
    client: MlflowClient, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [{20: 2.0, 10: 1.0}, {10: 3.0, 20: float("nan"), 30: 4.0}, {}]
    ids = [make_run(client, experiment, of_run) for of_run in values]
    found = read_histories(client, experiment, ids, metric="m")
    assert [list(found[i].items()) for i in ids] == [
        [(10, 1.0), (20, 2.0)],
        [(10, 3.0), (30, 4.0)],
        [],
    ]
    monkeypatch.setattr(runs, "_is_server", lambda _: True)  # then MLflow itself is asked
    assert read_histories(client, experiment, ids, metric="m") == found
    assert list(read_histories(client, experiment, ids[1:2], metric="m")) == ids[1:2]


def test_values_that_are_no_numbers_stay_so(client: MlflowClient, experiment: str) -> None:
    make_run(client, experiment, {1: 1.0, 2: float("nan")})
    (run,) = read_seed_runs(client, experiment)
    assert str(run.metrics["m"].value) == "nan"
    assert run.entry == ENTRY
    (run,) = read_seed_runs(client, experiment, attributes=["stage"], metrics=["other"])
    assert (run.entry.name, run.entry.stage, run.metrics) == ("0123456789ab-s3", "report", {})
    assert run.entry.configuration.settings == {}


def test_a_locked_store_is_said_to_be(
    client: MlflowClient, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_WAIT_FOR_LOCK_S", 0.05)
    holder = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RecordError, match="cannot be read: database is locked") as caught:
            read_seed_runs(client, experiment)
        assert "another program" in caught.value.hint
    finally:
        holder.close()


def test_a_damaged_store_is_not_said_to_be_held(
    client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0" + b"?" * 5_000)
    with pytest.raises(RecordError, match="cannot be read") as caught:
        read_seed_runs(client, experiment)
    assert "damaged" in caught.value.hint
