"""From MLflow to one data frame per study: for tables and figures, and for notebooks of your own.

from introsearch.record.frames import tidy_frame
from introsearch.record.store import open_store

frame = tidy_frame(open_store("sqlite:///runs/mlflow.db"), "quickstart")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from mlflow import MlflowClient

from introsearch.record.runs import SeedRun, find_experiment, read_seed_runs
from introsearch.record.store import store_errors
from introsearch.results.columns import COLUMNS, METRIC, PARAM, VERSION
from introsearch.trial.evaluation import TIMES

_TIDY_FIRST = (
    "study", "group", "variant", "config_id", "seed", "stage", "status", "metric", "value",
    "extractor", "iteration", "seconds", "evaluation_seconds", "reason", "decision", "run_id",
)  # fmt: skip


@store_errors
def tidy_frame(client: MlflowClient, name: str) -> pd.DataFrame:
    """All that a study has measured, a row per group, seed run and metric.

    A configuration that competes in two groups has its rows in both. A run that has measured
    nothing, because it diverged at once, say, has one row without `metric` and `value`.

    Args:
        client: of the store, see `introsearch.record.store.open_store`.
        name: the study's name.

    Returns:
        Columns study, group, variant, config_id, seed, stage (``select`` or ``report``), status
        (see `statuses`), metric, value (the last one), extractor (whose features
        fid_gen and its kin compare; empty without one), iteration, seconds (on the trial),
        evaluation_seconds (of these, for metrics and figures), reason,
        decision, run_id (of MLflow), ``param.*`` (every setting) and ``version.*`` (of packages,
        Python and the git commit). Losses are metrics named ``loss/<term>``, and what a trial took
        of its machine ``system/<what>``.

    Raises:
        ConfigError: the store has no such study.
        RecordError: the store cannot be read.
    """
    runs = read_seed_runs(client, find_experiment(client, name))
    wide = pd.DataFrame([_row(run) | _origin(run) for run in runs])
    if wide.empty:
        return pd.DataFrame(columns=list(_TIDY_FIRST))
    wide = wide.rename(columns={f"{METRIC}{name}": name for name in TIMES})
    measured = [column for column in wide if column.startswith(METRIC)]
    long = wide.drop(columns=measured).merge(_long(wide[["run_id", *measured]]), on="run_id")
    long = long.explode("groups", ignore_index=True).rename(columns={"groups": "group"})
    long.insert(0, "study", name)
    rest = [c for c in long if c.startswith((PARAM, VERSION))]
    return long.reindex(columns=[*_TIDY_FIRST, *rest])


def _long(values: pd.DataFrame) -> pd.DataFrame:
    """run_id, metric and value; one row at least per run."""
    long = values.melt(id_vars="run_id", var_name="metric", value_name="value").dropna()
    long["metric"] = long["metric"].str.removeprefix(METRIC)
    return values[["run_id"]].merge(long, on="run_id", how="left")


@store_errors
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
        `COLUMNS`, then ``param.*`` (as recorded) and ``metric.*`` (last values).

    Raises:
        RecordError: the store cannot be read.
    """
    runs = read_seed_runs(client, experiment_id, attributes=_ATTRIBUTES)
    known = [run for run in runs if run.entry.config_id in groups]
    rows = [_row(run) | {"groups": list(groups[run.entry.config_id])} for run in known]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(COLUMNS))


_ATTRIBUTES = ("configuration", "stage", "reason", "iteration", "decision", "extractor")


def _row(run: SeedRun) -> dict[str, Any]:
    entry = run.entry
    row = {
        "run_id": run.run_id,
        "config_id": entry.config_id,
        "seed": entry.seed,
        "groups": list(entry.configuration.groups),
        "stage": entry.stage,
        "status": entry.status.value,
        "reason": entry.reason,
        "iteration": max(0, entry.iteration),
        "end_ms": run.end_ms,
        "decision": entry.decision,
        "extractor": entry.extractor,
    }
    row |= {f"{PARAM}{k}": v for k, v in entry.configuration.settings.items()}
    return row | {f"{METRIC}{k}": point.value for k, point in run.metrics.items()}


def _origin(run: SeedRun) -> dict[str, Any]:
    """What tells where numbers come from."""
    origin = run.entry.origin
    versions = {**origin.versions, "commit": origin.commit}
    return {
        "variant": " + ".join(run.entry.configuration.variants),
        **{f"{VERSION}{name}": value for name, value in versions.items()},
    }
