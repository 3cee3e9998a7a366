"""The runs of a study in the record, and those of its trials read in a moment.

MLflow's own search loads every run with all that it has: a second per thousand runs. A database is
asked for the values that matter instead, in two or three queries through MLflow's own tables, which
are private: those of MLflow 3.17. Upstream, mlflow/mlflow#2730 is about searches among many runs,
and mlflow/mlflow#8277 about leaving out what is not wanted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlRun, SqlTag
from sqlalchemy import Connection, NullPool, create_engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from introsearch.errors import ConfigError, RecordError, nearest_hint
from introsearch.record.store import store_errors
from introsearch.record.tags import LEVEL, ConfigurationEntry, SeedEntry, tags_of
from introsearch.study.model import Study
from introsearch.study.search.expand import Expansion, expand
from introsearch.study.search.suggestions import Suggested, expand_suggested
from introsearch.trial.evaluation import SECONDS

PAGE = 1_000
_WAIT_FOR_LOCK_S = 20  # a writer holds a SQLite file for milliseconds
_NUM_CONNECTIONS = 8  # to a server, which tells the history of one run at a time


class Point(NamedTuple):
    """A metric's last value, and when it was taken, in milliseconds since 1970."""

    value: float
    time_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedRun:
    """The run of one trial.

    Attributes:
        run_id: of its MLflow run.
        study: name of the study that it belongs to; empty if that was not asked for.
        end_ms: when the run was closed, in milliseconds since 1970.
        entry: what it says.
        metrics: last values by name; NaN as it was logged.
    """

    run_id: str
    study: str = ""
    end_ms: int | None
    entry: SeedEntry
    metrics: Mapping[str, Point]

    @property
    def last_ms(self) -> int | None:
        """When it was last evaluated, in milliseconds since 1970."""
        return self.metrics[SECONDS].time_ms if SECONDS in self.metrics else None


def read_seed_runs(
    client: MlflowClient,
    experiment_id: str,
    *,
    attributes: Collection[str] | None = None,
    metrics: Collection[str] | None = None,
) -> list[SeedRun]:
    """All seed runs of an experiment, in the order in which they were started.

    Args:
        client: of the store; a database is read directly, a server through MLflow.
        experiment_id: the experiment.
        attributes: those of `SeedEntry` that are wanted beside identity, seed and status, which is
            faster; all of them unless given.
        metrics: names of those that are wanted; all of them unless given.

    Raises:
        RecordError: the database is locked, damaged, or does not answer.
    """
    if _is_server(client):
        return [seed_run(run) for run in runs_of(client, experiment_id, level="seed")]
    tags = None if attributes is None else tags_of(attributes)
    with _connected(client.tracking_uri) as database:
        return _from_database(database, int(experiment_id), tags=tags, metrics=metrics)


@store_errors
def read_values(client: MlflowClient, run: SeedRun, *, name: str) -> dict[int, float]:
    """A metric of one run over training, NaN included, by iteration."""
    return {p.step: p.value for p in client.get_metric_history(run.run_id, name)}


@store_errors
def read_histories(
    client: MlflowClient, experiment_id: str, run_ids: Collection[str], *, metric: str
) -> dict[str, dict[int, float]]:
    """One metric of many runs over training: by run, its values by iteration.

    Args:
        client: of the store.
        experiment_id: the experiment of the runs.
        run_ids: the runs; one without the metric gets an empty history.
        metric: its name.

    Raises:
        RecordError: as for `read_seed_runs`.
    """
    if _is_server(client):
        with ThreadPoolExecutor(_NUM_CONNECTIONS) as pool:
            found = pool.map(lambda run_id: client.get_metric_history(run_id, metric), run_ids)
            points = [
                (run_id, point.step, point.value)
                for run_id, history in zip(run_ids, found, strict=True)
                for point in history
                if not math.isnan(point.value)
            ]
    else:
        with _connected(client.tracking_uri) as database:
            points = _history_rows(database, int(experiment_id), metric)
    histories: dict[str, dict[int, float]] = {run_id: {} for run_id in run_ids}
    for run_id, step, value in sorted(points, key=lambda point: point[1]):
        if run_id in histories:
            histories[run_id][step] = value
    return histories


def runs_of(
    client: MlflowClient, experiment_id: str, *, level: str, where: str = ""
) -> Iterator[Run]:
    """All runs of one level (``study``, ``configuration`` or ``seed``) of an experiment.

    Args:
        client: of the store.
        experiment_id: the experiment.
        level: of the runs.
        where: a further condition, as MLflow writes it.
    """
    token = None
    condition = f"tags.`{LEVEL}` = '{level}'" + (f" AND {where}" if where else "")
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=condition,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


@store_errors
def read_expansion(client: MlflowClient, study: Study) -> Expansion:
    """A study's configurations; those of tpe are in its record.

    Raises:
        ConfigError: the store has no such study.
    """
    if study.method != "tpe":
        return expand(study)
    return expand_suggested(study, read_suggested(client, find_experiment(client, study.name)))


@store_errors
def read_suggested(client: MlflowClient, experiment_id: str) -> list[Suggested]:
    """What tpe has suggested so far."""
    runs = runs_of(client, experiment_id, level="configuration")
    entries = (ConfigurationEntry.from_tags(run.data.tags) for run in runs)
    return [entry.suggested for entry in entries if entry.suggested is not None]


@store_errors
def find_experiment(client: MlflowClient, name: str) -> str:
    """The id of a study's experiment.

    Raises:
        ConfigError: the store has no such study; says which it has.
    """
    experiment = client.get_experiment_by_name(name)
    if (
        experiment is None
        or experiment.lifecycle_stage == "deleted"
        or not any(runs_of(client, experiment.experiment_id, level="study"))
    ):
        names = [e.name for e in client.search_experiments() if e.name != "Default"]
        word = PurePath(name).stem if name.endswith((".yaml", ".yml")) else name
        raise ConfigError(
            f"the store has no study {name!r}",
            hint=nearest_hint(word, names) if names else "it has none yet: run one first",
        )
    return str(experiment.experiment_id)


def _is_server(client: MlflowClient) -> bool:
    return str(client.tracking_uri).startswith("http")


def seed_run(run: Run, *, study: str = "") -> SeedRun:
    """A trial's run as MLflow gives it."""
    return SeedRun(
        run_id=run.info.run_id,
        study=study,
        end_ms=run.info.end_time,
        entry=SeedEntry.from_tags(run.data.tags),
        # As of MLflow 3.17, nothing public has the times; mlflow/mlflow#25008 proposed it.
        metrics={m.key: Point(m.value, m.timestamp) for m in run.data._metric_objs},
    )


@contextmanager
def _connected(uri: str) -> Iterator[Connection]:
    options = {"timeout": _WAIT_FOR_LOCK_S} if uri.startswith("sqlite") else {}
    try:
        with create_engine(uri, poolclass=NullPool, connect_args=options).connect() as connection:
            yield connection
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0][:200]
        hint = "if it is damaged, a copy of it may help"
        if "locked" in reason:
            hint = "another program holds it: try again, or end that program"
        raise RecordError(f"the MLflow store cannot be read: {reason}", hint=hint) from error


def _from_database(
    database: Connection,
    experiment_id: int,
    *,
    tags: Collection[str] | None,
    metrics: Collection[str] | None,
) -> list[SeedRun]:
    texts: dict[str, dict[str, str]] = {}
    for run_id, key, text in _tag_rows(database, experiment_id, tags):
        texts.setdefault(run_id, {})[key] = text
    points_of: dict[str, dict[str, Point]] = {}
    for run_id, key, value, time_ms, is_nan in _metric_rows(database, experiment_id, metrics):
        points_of.setdefault(run_id, {})[key] = Point(float("nan") if is_nan else value, time_ms)
    return [
        SeedRun(
            run_id=i,
            end_ms=end_ms,
            entry=SeedEntry.from_tags(texts[i]),
            metrics=points_of.get(i, {}),
        )
        for i, end_ms in _run_rows(database, experiment_id)
        if i in texts  # one that has just been made may have none yet
    ]


def _here(experiment_id: int) -> tuple[Any, ...]:
    """Conditions for the seed runs of an experiment that were not deleted."""
    level = aliased(SqlTag)
    is_seed = (
        select(level.run_uuid)
        .where(level.run_uuid == SqlRun.run_uuid, level.key == LEVEL, level.value == "seed")
        .exists()
    )
    active = SqlRun.lifecycle_stage == LifecycleStage.ACTIVE
    return SqlRun.experiment_id == experiment_id, active, is_seed


def _run_rows(database: Connection, experiment_id: int) -> Iterable[Any]:
    rows = select(SqlRun.run_uuid, SqlRun.end_time).where(*_here(experiment_id))
    return database.execute(rows.order_by(SqlRun.start_time)).all()


def _tag_rows(
    database: Connection, experiment_id: int, names: Collection[str] | None
) -> Iterable[Any]:
    rows = select(SqlTag.run_uuid, SqlTag.key, SqlTag.value)
    rows = rows.join(SqlRun, SqlRun.run_uuid == SqlTag.run_uuid).where(*_here(experiment_id))
    return database.execute(rows if names is None else rows.where(SqlTag.key.in_(names))).all()


def _metric_rows(
    database: Connection, experiment_id: int, names: Collection[str] | None
) -> Iterable[Any]:
    point = SqlLatestMetric
    rows = select(point.run_uuid, point.key, point.value, point.timestamp, point.is_nan)
    rows = rows.join(SqlRun, SqlRun.run_uuid == point.run_uuid).where(*_here(experiment_id))
    return database.execute(rows if names is None else rows.where(point.key.in_(names))).all()


def _history_rows(database: Connection, experiment_id: int, metric: str) -> list[Any]:
    point = SqlMetric
    rows = (
        select(point.run_uuid, point.step, point.value)
        .join(SqlRun, SqlRun.run_uuid == point.run_uuid)
        .where(*_here(experiment_id), point.key == metric, point.is_nan.is_(False))
    )
    return list(database.execute(rows).all())
