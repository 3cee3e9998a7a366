"""Where every trial of a study stands, read from the record in a moment.

MLflow's own search loads every parameter, tag and metric of every run: some seconds per thousand
trials. A database is asked for the few values that matter instead, through MLflow's own tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlRun, SqlTag
from sqlalchemy import NullPool, create_engine, select

from introsearch.results import record
from introsearch.results.frames import runs_of
from introsearch.results.result import read_study, study_run
from introsearch.results.standing import standing
from introsearch.results.status import RecordedTrial, StudyStatus
from introsearch.study.model import trial_name

SECONDS = "seconds"
WAIT_FOR_LOCK_S = 20  # a writer holds a SQLite file for milliseconds
TAGS = (
    record.LEVEL, record.CONFIG_ID, record.SEED, record.STATUS, record.REASON, record.DECISION,
    record.ITERATION,
)  # fmt: skip


def read_status(client: MlflowClient, name: str, *, active: bool | None) -> StudyStatus:
    """Where a study stands now.

    Args:
        client: of the store.
        name: the study's name.
        active: whether a `run` works on it; None if that cannot be seen from here.

    Raises:
        ConfigError: the store has no such study, or not its description any more.
    """
    study = read_study(client, name)
    run = study_run(client, name)
    recorded = read_trials(client, run.info.experiment_id, metric=study.metric.name)
    return standing(study, recorded, state=run.data.tags[record.STATUS], active=active)


def read_trials(
    client: MlflowClient, experiment_id: str, *, metric: str
) -> dict[str, RecordedTrial]:
    """The recorded trials of a study by name, in the order in which they were started.

    Args:
        client: of the store.
        experiment_id: the study's experiment.
        metric: the metric whose last value is wanted.
    """
    is_server = client.tracking_uri.startswith("http")
    read = _from_server if is_server else _from_database
    trials = [_trial(tags, **more) for tags, more in read(client, experiment_id, metric)]
    return {trial_name(t.config_id, t.seed): t for t in trials}


_Raw = tuple[Mapping[str, str], dict[str, Any]]


def _trial(
    tags: Mapping[str, str],
    *,
    run_id: str,
    end_ms: int | None,
    value: float | None,
    seconds: float | None,
    last_ms: int | None,
) -> RecordedTrial:
    return RecordedTrial(
        run_id=run_id,
        config_id=tags[record.CONFIG_ID],
        seed=int(tags[record.SEED]),
        status=tags[record.STATUS],
        reason=tags.get(record.REASON, ""),
        decision=tags.get(record.DECISION, ""),
        iteration=int(tags.get(record.ITERATION, 0)),
        value=value,
        seconds=seconds or 0.0,
        last_ms=last_ms,
        end_ms=end_ms,
    )


def _from_server(client: MlflowClient, experiment_id: str, metric: str) -> Iterator[_Raw]:
    for run in runs_of(client, experiment_id, level="seed"):
        times = [point.timestamp for point in run.data._metric_objs if point.key == SECONDS]
        yield (
            run.data.tags,
            {
                "run_id": run.info.run_id,
                "end_ms": run.info.end_time,
                "value": run.data.metrics.get(metric),
                "seconds": run.data.metrics.get(SECONDS),
                "last_ms": max(times, default=None),
            },
        )


def _from_database(client: MlflowClient, experiment_id: str, metric: str) -> Iterator[_Raw]:
    run_rows, tag_rows, metric_rows = _query(client.tracking_uri, int(experiment_id), metric)
    tags: dict[str, dict[str, str]] = {}
    for run_id, key, text in tag_rows:
        tags.setdefault(run_id, {})[key] = text
    points = {(run_id, key): (value, time) for run_id, key, value, time in metric_rows}
    nothing = (None, None)
    for run_id, end_ms in run_rows:
        if tags.get(run_id, {}).get(record.LEVEL) == "seed":
            seconds, last_ms = points.get((run_id, SECONDS), nothing)
            more = {
                "run_id": run_id,
                "end_ms": end_ms,
                "value": points.get((run_id, metric), nothing)[0],
                "seconds": seconds,
                "last_ms": last_ms,
            }
            yield tags[run_id], more


def _query(uri: str, experiment_id: int, metric: str) -> tuple[Any, Any, Any]:
    """Rows of runs, tags and last metric values, as they are at one moment."""
    here = (SqlRun.experiment_id == experiment_id, SqlRun.lifecycle_stage == LifecycleStage.ACTIVE)
    runs = select(SqlRun.run_uuid, SqlRun.end_time).where(*here).order_by(SqlRun.start_time)
    tags = (
        select(SqlTag.run_uuid, SqlTag.key, SqlTag.value)
        .join(SqlRun, SqlRun.run_uuid == SqlTag.run_uuid)
        .where(*here, SqlTag.key.in_(TAGS))
    )
    point = SqlLatestMetric
    metrics = (
        select(point.run_uuid, point.key, point.value, point.timestamp)
        .join(SqlRun, SqlRun.run_uuid == point.run_uuid)
        .where(*here, point.key.in_((metric, SECONDS)), point.is_nan.is_(False))
    )
    options = {"timeout": WAIT_FOR_LOCK_S} if uri.startswith("sqlite") else {}
    with create_engine(uri, poolclass=NullPool, connect_args=options).connect() as connection:
        return tuple(connection.execute(query).all() for query in (runs, tags, metrics))  # type: ignore[return-value]
