"""From MLflow to one tidy data frame per study, and back to the study itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from introsearch.errors import ConfigError, nearest_hint
from introsearch.results import record

PAGE = 1_000


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
    condition = f"tags.`{record.LEVEL}` = '{level}'" + (f" AND {where}" if where else "")
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
        raise ConfigError(
            f"the store has no study {name!r}",
            hint=nearest_hint(name, names) if names else "it has none yet: run one first",
        )
    return str(experiment.experiment_id)


def read_frame(
    client: MlflowClient, experiment_id: str, *, groups: Mapping[str, tuple[str, ...]]
) -> pd.DataFrame:
    """One row per seed run, in the order in which they were started.

    Args:
        client: of the store.
        experiment_id: the study's experiment.
        groups: labels of the groups that each configuration belongs to, by identity; runs of
            configurations that the study no longer has are left out.

    Returns:
        Columns run_id, config_id, seed, groups, status, reason, iteration, decision, then
        ``param.*`` (as recorded) and ``metric.*`` (last values).
    """
    rows = [
        _row(run, groups[run.data.tags[record.CONFIG_ID]])
        for run in runs_of(client, experiment_id, level="seed")
        if run.data.tags[record.CONFIG_ID] in groups
    ]
    columns = ["run_id", "config_id", "seed", "groups", "status", "reason", "iteration", "decision"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _row(run: Run, groups: tuple[str, ...]) -> dict[str, Any]:
    tags = run.data.tags
    settings = json.loads(tags[record.SETTINGS])
    return {
        "run_id": run.info.run_id,
        "config_id": tags[record.CONFIG_ID],
        "seed": int(tags[record.SEED]),
        "groups": list(groups),
        "status": tags[record.STATUS],
        "reason": tags.get(record.REASON, ""),
        "iteration": int(tags.get(record.ITERATION, 0)),
        "decision": tags.get(record.DECISION, ""),
        **{f"param.{k}": v for k, v in settings.items()},
        **{f"metric.{k}": v for k, v in run.data.metrics.items()},
    }
