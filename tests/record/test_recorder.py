"""The record in MLflow: its levels, its words, and reopening it."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from introsearch.errors import ConfigError
from introsearch.record import recorder as recorder_module
from introsearch.record import tags
from introsearch.record.address import check_uri, default_uri
from introsearch.record.recorder import Recorder
from introsearch.record.recorder import open_recorder as open_in
from introsearch.record.runs import runs_of
from introsearch.record.store import open_store
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.statuses import SETTLED, Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand, select_trials
from introsearch.trial.evaluation import Evaluation

STUDY = """\
name: recorded
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0, 7], report: [1]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.3]}
  iterations: 1000
  warmup_iterations: 200
  lr_milestones: []
variants:
  sg: {prior: gaussian}
  ip: {prior: mog, components: 3, intro_prior: true}
early_terminate: {type: asha, min_iter: 300, max_iter: 1000, eta: 2}
evaluate_every: 100
"""
METRIC = "hist_kl_paper"
PARENT = "mlflow.parentRunId"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


@pytest.fixture
def trials(study: Study) -> tuple[Trial, ...]:
    return select_trials(study, expand(study))


def open_recorder(client: MlflowClient, study: Study, folder: Path) -> Recorder:
    return open_in(client, study, folder=folder / study.name)


def evaluation(
    iteration: int, *, value: float = 1.0, status: Status = Status.RUNNING
) -> Evaluation:
    return Evaluation(
        iteration=iteration,
        status=status,
        metrics={METRIC: value, "loss/kl": 2.0},
        timestamp_ms=1_000 + iteration,
        seconds=iteration / 10,
        evaluation_seconds=iteration / 40,
    )


def seed_runs(client: MlflowClient, recorder: Recorder) -> list[Run]:
    return list(runs_of(client, recorder.experiment_id, level="seed"))


def points(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float, int]]:
    history = client.get_metric_history(run_id, key)
    return [(point.step, point.value, point.timestamp) for point in history]


# -- levels, tags, parameters --------------------------------------------------------------------


def test_three_levels_are_nested(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    recorder = open_recorder(client, study, tmp_path)
    for trial in trials:
        recorder.start(trial)
    (top,) = runs_of(client, recorder.experiment_id, level="study")
    configurations = {
        r.info.run_id: r for r in runs_of(client, recorder.experiment_id, level="configuration")
    }
    assert PARENT not in top.data.tags
    assert len(configurations) == 4
    assert {r.data.tags[PARENT] for r in configurations.values()} == {top.info.run_id}
    seeds = seed_runs(client, recorder)
    assert len(seeds) == 8
    for run in seeds:
        parent = configurations[run.data.tags[PARENT]]
        assert parent.data.tags[tags.CONFIG_ID] == run.data.tags[tags.CONFIG_ID]


def test_a_seed_run_holds_all_that_repeats_it(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    recorder = open_recorder(client, study, tmp_path)
    trial = trials[0]
    recorder.start(trial)
    (run,) = seed_runs(client, recorder)
    texts = run.data.tags
    settings = json.loads(texts[tags.SETTINGS])
    again = resolve_settings(texts[tags.TRAINER], settings)
    assert settings_to_dict(again) == trial.configuration.settings
    assert int(texts[tags.SEED]) == trial.seed
    assert texts[tags.CONFIG_ID] == trial.configuration.id
    assert json.loads(texts[tags.GROUPS]) == list(trial.configuration.groups)
    assert texts[tags.STAGE] == "select"
    for package in ("introsearch", "torch", "ray", "mlflow", "python"):
        assert texts[f"introsearch.version.{package}"]
    assert run.data.params["seed"] == str(trial.seed)
    for name, value in trial.configuration.settings.items():
        assert run.data.params[name] == str(value)


@pytest.mark.parametrize(
    ("status", "in_mlflow"),
    [
        (Status.FINISHED, "FINISHED"),
        (Status.STOPPED, "FINISHED"),
        (Status.DIVERGED, "FAILED"),
        (Status.FAILED, "FAILED"),
        (Status.INTERRUPTED, "KILLED"),
    ],
)
def test_statuses(
    client: MlflowClient,
    study: Study,
    trials: tuple[Trial, ...],
    tmp_path: Path,
    status: str,
    in_mlflow: str,
) -> None:
    recorder = open_recorder(client, study, tmp_path)
    recorder.start(trials[0])
    recorder.end(trials[0], status, reason="r" * 9_000, decision="2nd of 3")
    (run,) = seed_runs(client, recorder)
    assert run.info.status == in_mlflow
    assert run.data.tags[tags.STATUS] == status
    assert run.data.tags[tags.DECISION] == "2nd of 3"
    assert run.data.tags[tags.REASON].startswith("rrr")


def test_metrics_are_logged_with_their_iteration_and_time(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    recorder = open_recorder(client, study, tmp_path)
    recorder.start(trials[0])
    recorder.log(trials[0], [evaluation(100, value=5), evaluation(200, value=4)], rungs=[200])
    (run,) = seed_runs(client, recorder)
    assert points(client, run.info.run_id, METRIC) == [(100, 5.0, 1_100), (200, 4.0, 1_200)]
    assert run.data.metrics == {
        METRIC: 4.0,
        "loss/kl": 2.0,
        "seconds": 20.0,
        "evaluation_seconds": 5.0,
    }
    assert json.loads(run.data.tags[tags.RUNGS]) == {METRIC: {"200": 4.0}}


# -- reopening -----------------------------------------------------------------------------------


def test_reopening_finds_everything_and_adds_nothing_twice(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    evaluations = [evaluation(i, value=i) for i in range(100, 1_000, 100)]
    first = open_recorder(client, study, tmp_path)
    first.start(trials[0])
    first.log(trials[0], evaluations[:5], rungs=[300])
    again = open_recorder(client, study, tmp_path)
    assert again.study_run == first.study_run
    assert again.trials[trials[0].name].iteration == 500
    assert again.trials[trials[0].name].entry.rungs == {METRIC: {300: 300.0}}
    again.start(trials[0])
    again.log(trials[0], evaluations, rungs=[300])
    (run,) = seed_runs(client, again)
    steps = [step for step, _, _ in points(client, run.info.run_id, METRIC)]
    assert steps == [e.iteration for e in evaluations]


def test_a_killed_driver_leaves_its_trials_interrupted(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    open_recorder(client, study, tmp_path).start(trials[0])
    again = open_recorder(client, study, tmp_path)
    assert again.trials[trials[0].name].status == Status.INTERRUPTED


class Killed(Exception):
    pass


@pytest.mark.parametrize("call", range(13))
def test_a_kill_between_any_two_writes_does_no_harm(
    client: MlflowClient,
    study: Study,
    trials: tuple[Trial, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    """The driver dies before its n-th write; the next one does only what is not settled."""
    evaluations = [evaluation(i) for i in range(100, 1_100, 100)]
    monkeypatch.setattr(recorder_module, "_EVALUATIONS_PER_BATCH", 4)
    trial = trials[0]

    def run(recorder: Recorder) -> None:
        state = recorder.trials.get(trial.name)
        if state is None or state.status not in SETTLED:
            recorder.start(trial)
            recorder.log(trial, evaluations, rungs=[300])
            recorder.end(trial, Status.FINISHED)
        recorder.summarise(trial.configuration, {"n": 1.0}, chosen_in=["rings / sg"])
        recorder.end_study(Status.FINISHED)

    first = open_recorder(client, study, tmp_path)
    calls = 0

    with monkeypatch.context() as patch:
        for name in ("create_run", "log_batch", "set_terminated"):

            def counted(
                *args: object, _real: object = getattr(client, name), **kw: object
            ) -> object:
                nonlocal calls
                if calls == call:
                    raise Killed
                calls += 1
                return _real(*args, **kw)  # type: ignore[operator]

            patch.setattr(client, name, counted)
        with pytest.raises(Killed):
            run(first)
    again = open_recorder(client, study, tmp_path)
    run(again)
    (seed_run,) = seed_runs(client, again)
    (parent,) = runs_of(client, again.experiment_id, level="configuration")
    assert seed_run.data.tags[PARENT] == parent.info.run_id
    assert [p[0] for p in points(client, seed_run.info.run_id, METRIC)] == list(
        range(100, 1_100, 100)
    )
    assert seed_run.data.params["beta_kl"] == parent.data.params["beta_kl"]
    assert parent.data.metrics == {"n": 1.0}
    (top,) = runs_of(client, again.experiment_id, level="study")
    assert seed_run.data.tags[tags.STATUS] == top.data.tags[tags.STATUS] == Status.FINISHED
    assert {r.info.status for r in (seed_run, parent, top)} == {"FINISHED"}


def test_many_evaluations_at_once_are_all_recorded(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    """More than MLflow takes in one batch, as when a trial waited long for its rung."""
    recorder = open_recorder(client, study, tmp_path)
    recorder.start(trials[0])
    evaluations = [evaluation(i) for i in range(1, 701)]
    recorder.log(trials[0], evaluations, rungs=[])
    assert len(points(client, recorder.trials[trials[0].name].run_id, "loss/kl")) == 700


def test_rung_values_follow_a_changed_study(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    """Other rungs and another metric than when the trial was recorded."""
    recorder = open_recorder(client, study, tmp_path)
    recorder.start(trials[0])
    recorder.log(trials[0], [evaluation(i, value=i) for i in (100, 200, 300, 400)], rungs=[300])
    assert recorder.rung_values(trials[0], rungs=[300]) == {300: 300.0}
    assert recorder.rung_values(trials[0], rungs=[200, 400, 800]) == {200: 200.0, 400: 400.0}
    path = tmp_path / "other.yaml"
    path.write_text(STUDY.replace(METRIC, "hist_kl"))
    other = open_recorder(client, load_study(path), tmp_path)
    assert other.rung_values(trials[0], rungs=[300]) == {}


def test_a_deleted_study_is_not_continued(
    client: MlflowClient, study: Study, tmp_path: Path
) -> None:
    recorder = open_recorder(client, study, tmp_path)
    client.delete_experiment(recorder.experiment_id)
    with pytest.raises(ConfigError, match="deleted"):
        open_recorder(client, study, tmp_path)


# -- configuration runs --------------------------------------------------------------------------


def test_summarise_writes_what_is_finite_and_only_what_is_new(
    client: MlflowClient, study: Study, trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    recorder = open_recorder(client, study, tmp_path)
    recorder.start(trials[0])
    statistics = {"n": 1.0, f"{METRIC}.mean": 2.5, f"{METRIC}.std": math.nan}
    recorder.summarise(trials[0].configuration, statistics, chosen_in=["rings / sg"])
    (run,) = runs_of(client, recorder.experiment_id, level="configuration")
    client.delete_tag(run.info.run_id, tags.CHOSEN)  # the driver was killed before it was written
    recorder = open_recorder(client, study, tmp_path)
    recorder.summarise(trials[0].configuration, statistics, chosen_in=["rings / sg"])
    (run,) = runs_of(client, recorder.experiment_id, level="configuration")
    assert run.data.metrics == {"n": 1.0, f"{METRIC}.mean": 2.5}
    assert run.data.tags[tags.CHOSEN] == "rings / sg"
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "n")) == 1
    recorder.summarise(trials[0].configuration, statistics | {"n": 2.0}, chosen_in=[])
    (run,) = runs_of(client, recorder.experiment_id, level="configuration")
    assert run.data.metrics["n"] == 2.0
    assert run.data.tags[tags.CHOSEN] == ""


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "mlruns",
        "file:///tmp/mlruns",
        "ftp://host",
        "",
        "sqlite://",
        "sqlite:///:memory:",
        "http://",
    ],
)
def test_what_is_no_address_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no address of an MLflow store") as caught:
        check_uri(uri, folder_will_exist=tmp_path)
    assert "sqlite:///" in caught.value.hint


def test_a_missing_folder_is_refused_unless_it_will_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    with pytest.raises(ConfigError, match="no folder"):
        check_uri(f"sqlite:///{folder}/mlflow.db", folder_will_exist=tmp_path)
    check_uri(default_uri(folder), folder_will_exist=folder)
    assert not folder.exists()


def test_what_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    text, folder = tmp_path / "text.db", tmp_path / "folder.db"
    text.write_text("no database " * 100)
    folder.mkdir()
    for path in (text, folder):
        with pytest.raises(ConfigError, match="no SQLite database"):
            check_uri(f"sqlite:///{path}", folder_will_exist=tmp_path)
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        check_uri(f"sqlite:///{text}/mlflow.db", folder_will_exist=text)


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    check_uri(f"sqlite:///{path}", folder_will_exist=tmp_path)
    with pytest.raises(ConfigError, match="does not answer"):
        open_store(f"sqlite:///{path}")


def test_a_server_that_is_not_there_is_noticed_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    with _port(listening=False) as port:
        start = time.monotonic()
        with pytest.raises(ConfigError, match="does not answer") as caught:
            open_store(f"http://127.0.0.1:{port}")
    assert time.monotonic() - start < 15
    assert caught.value.key == "--tracking-uri"


@pytest.mark.slow
def test_a_server_that_says_nothing_is_noticed_in_seconds() -> None:
    with _port(listening=True) as port:
        start = time.monotonic()
        with pytest.raises(ConfigError, match="does not answer"):
            open_store(f"http://127.0.0.1:{port}")
    assert time.monotonic() - start < 15


def test_a_missing_database_driver_is_bad_input() -> None:
    with pytest.raises(ConfigError, match="does not answer"):
        open_store("mysql+nonsense://user@127.0.0.1/db")


@contextmanager
def _port(*, listening: bool) -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen(5)
        yield server.getsockname()[1]
