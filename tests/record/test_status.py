"""Reading where trials stand: the same from a database as through MLflow, and fast."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
from sqlalchemy import NullPool, create_engine, insert

from introsearch.errors import ConfigError
from introsearch.execution.lock import is_locked, locked
from introsearch.record import artifacts, runs, tags
from introsearch.record.recorder import Recorder, open_recorder
from introsearch.record.status import read_status, read_trials
from introsearch.results.status.model import RecordedTrial
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, select_trials
from introsearch.trial.evaluation import Evaluation

METRIC = "hist_kl_paper"
STUDY = """\
name: read
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2, 0.3, 0.4]}
variants:
  sg: {prior: gaussian}
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


def evaluation(iteration: int, value: float | None) -> Evaluation:
    return Evaluation(
        iteration=iteration,
        status=Status.RUNNING,
        metrics={} if value is None else {METRIC: value, "loss/kl": 1.0},
        timestamp_ms=1_000 + iteration,
        seconds=iteration / 10,
    )


@pytest.fixture
def recorder(client: MlflowClient, study: Study, tmp_path: Path) -> Recorder:
    """Of a study with a trial that finished, one that diverged, one that runs, and one to come."""
    recorder = open_recorder(client, study, folder=tmp_path / "runs" / "read")
    finished, diverged, running, _ = select_trials(study, expand(study))
    recorder.start(finished)
    recorder.log(finished, [evaluation(100, 3.0), evaluation(200, 2.0)], rungs=())
    recorder.end(finished, Status.FINISHED, decision="rung 1 at 100: 1st of 1, keep 1")
    recorder.start(diverged)
    recorder.log(diverged, [evaluation(17, None)], rungs=())
    recorder.end(diverged, Status.DIVERGED, reason="loss is not finite")
    recorder.start(running)
    return recorder


def test_a_database_says_the_same_as_a_server(
    recorder: Recorder, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiment_id = recorder.client, recorder.experiment_id
    found = read_trials(client, experiment_id, metric=METRIC)
    finished, diverged, running, _ = (t.name for t in select_trials(study, expand(study)))
    assert list(found) == [finished, diverged, running]
    first = found[finished]
    assert first == RecordedTrial(
        run_id=recorder.trials[finished].run_id,
        config_id=finished.partition("-")[0],
        seed=0,
        status=Status.FINISHED,
        decision="rung 1 at 100: 1st of 1, keep 1",
        iteration=200,
        value=2.0,
        seconds=20.0,
        last_ms=1_200,
        end_ms=first.end_ms,
    )
    assert first.end_ms is not None
    assert found[diverged].reason == "loss is not finite"
    assert (found[diverged].value, found[diverged].seconds) == (None, 1.7)
    assert (found[running].iteration, found[running].last_ms) == (0, None)
    monkeypatch.setattr(runs, "_is_server", lambda _: True)  # then MLflow's own search is used
    assert read_trials(client, experiment_id, metric=METRIC) == found


def test_deleted_runs_are_not_read(recorder: Recorder) -> None:
    name, state = next(iter(recorder.trials.items()))
    recorder.client.delete_run(state.run_id)
    assert name not in read_trials(recorder.client, recorder.experiment_id, metric=METRIC)


def test_a_status_from_the_record_alone(recorder: Recorder) -> None:
    status = read_status(recorder.client, "read", active=True)
    assert status.state == Status.RUNNING
    counts = {state: n for state, n in status.groups[-3].counts.items() if n}
    assert counts == dict.fromkeys(
        (Status.FINISHED, Status.DIVERGED, Status.RUNNING, Status.PENDING), 1
    )
    recorder.end_study(Status.INTERRUPTED)
    assert read_status(recorder.client, "read", active=False).state == Status.INTERRUPTED


def test_an_unknown_study_is_refused(recorder: Recorder) -> None:
    with pytest.raises(ConfigError) as caught:
        read_status(recorder.client, "raed", active=None)
    assert "did you mean 'read'?" in caught.value.hint


def test_a_record_without_the_studys_description_is_refused(
    recorder: Recorder, tmp_path: Path
) -> None:
    (found,) = tmp_path.rglob(artifacts.STUDY)
    found.unlink()
    with pytest.raises(ConfigError, match=r"study\.json of the study 'read' cannot be read"):
        read_status(recorder.client, "read", active=None)


def test_the_lock_is_seen_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    assert is_locked(folder) is None
    with locked(folder):
        assert is_locked(folder) is True
        assert is_locked(folder) is True
    assert is_locked(folder) is False
    with locked(folder):
        pass


@pytest.mark.slow
def test_five_thousand_trials_are_read_in_a_moment(
    client: MlflowClient, tmp_path: Path, study: Study
) -> None:
    recorder = open_recorder(client, study, folder=tmp_path / "runs" / "read")
    fill(client.tracking_uri, int(recorder.experiment_id), number=5_000)
    start = time.monotonic()
    assert len(read_trials(client, recorder.experiment_id, metric=METRIC)) == 5_000
    assert time.monotonic() - start < 30


def fill(uri: str, experiment_id: int, *, number: int) -> None:
    """Seed runs as large as real ones, written without MLflow, which would take minutes."""
    runs, texts, params, points = [], [], [], []
    names = [METRIC, "seconds", *(f"loss/{i}" for i in range(14))]
    for i in range(number):
        here = {"run_uuid": uuid.uuid4().hex}
        runs.append(
            here
            | {"experiment_id": experiment_id, "lifecycle_stage": "active", "status": "FINISHED"}
            | {"start_time": i, "end_time": i + 1, "name": "", "source_type": "UNKNOWN"}
        )
        words = {
            tags.LEVEL: "seed",
            tags.CONFIG_ID: f"{i:012x}",
            tags.SEED: "0",
            tags.STATUS: Status.FINISHED,
            tags.SETTINGS: json.dumps({f"setting_{j}": 0.1 for j in range(24)}),
            **{f"tag_{j}": "text" for j in range(15)},
        }
        texts += [here | {"key": key, "value": value} for key, value in words.items()]
        params += [here | {"key": f"setting_{j}", "value": "0.1"} for j in range(24)]
        points += [
            here | {"key": key, "value": 1.0, "timestamp": i, "step": 1, "is_nan": False}
            for key in names
        ]
    engine = create_engine(uri, poolclass=NullPool)
    with engine.begin() as connection:
        for model, rows in (
            (SqlRun, runs), (SqlTag, texts), (SqlParam, params), (SqlLatestMetric, points),
        ):  # fmt: skip
            connection.execute(insert(model), rows)
