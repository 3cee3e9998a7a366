"""What a search tried: a row per configuration and group, for figures of the search itself."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from introsearch.results.columns import PARAM
from introsearch.results.statistics import one_run_per_seed
from introsearch.statuses import Status
from introsearch.study.model import Study
from introsearch.trial.evaluation import SECONDS

COLUMNS = ("group", "config_id", "status", "score", "early", "seconds", "end_ms")
# The outcome of a configuration is that of its least fortunate seed.
_WORST_FIRST = (
    Status.FAILED, Status.DIVERGED, Status.INTERRUPTED, Status.RUNNING, Status.STOPPED,
    Status.FINISHED,
)  # fmt: skip

Histories = Mapping[str, Mapping[int, float]]


def searched_frame(
    study: Study,
    frame: pd.DataFrame,
    histories: Histories,
    *,
    searched: Sequence[str],
    units: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """What became of each configuration in the select stage.

    Args:
        study: the study.
        frame: one row per seed run, see `record.frames.read_frame`.
        histories: the compared metric by run id and iteration.
        searched: the parameters that differ between configurations.
        units: by configuration id, how many of its iterations are one of the study's rungs; 1
            unless given.

    Returns:
        `COLUMNS` and the searched parameters. `score` is the mean of the study's metric over the
        select seeds, NaN unless all finished. `early` is the mean of the metric that rungs compare
        at the first rung (at the end, without early termination): every configuration that did not
        diverge before has one, so that none is missing for being bad.
    """
    runs = one_run_per_seed(frame, study.seeds.select)
    by_configuration: dict[str, list[dict[Hashable, Any]]] = {}
    for run in runs.to_dict("records"):  # a frame per configuration would take ten times as long
        by_configuration.setdefault(run["config_id"], []).append(run)
    rows = [
        {
            "group": group,
            **_row(study, of_one, histories, searched, (units or {}).get(config_id, 1)),
        }
        for config_id, of_one in by_configuration.items()
        for group in of_one[0]["groups"]
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, *searched])


def first_comparison(study: Study) -> str:
    """Where all configurations can be compared, in words."""
    rule = study.early_terminate
    if rule is None:
        return "the end"
    return f"{rule.unit.removesuffix('s')} {rule.rungs[0]:,}"


def _row(
    study: Study,
    runs: Sequence[Mapping[Hashable, Any]],
    histories: Histories,
    searched: Sequence[str],
    unit: int,
) -> dict[str, object]:
    first = runs[0]
    statuses = {run["status"] for run in runs}
    complete = statuses == {Status.FINISHED} and len(runs) == len(study.seeds.select)
    values = [run.get(f"metric.{study.metric.name}", math.nan) for run in runs]
    rule = study.early_terminate
    at = rule.rungs[0] * unit if rule is not None else int(first[f"{PARAM}iterations"])
    early = [histories.get(run["run_id"], {}).get(at, math.nan) for run in runs]
    seconds = [run.get(f"metric.{SECONDS}", math.nan) for run in runs]
    ends = [float(run["end_ms"]) for run in runs if run["end_ms"] is not None]
    return {
        "config_id": first["config_id"],
        "status": next(s for s in _WORST_FIRST if s in statuses),
        "score": sum(values) / len(values) if complete else math.nan,
        "early": sum(early) / len(early),
        "seconds": sum(s for s in seconds if not math.isnan(s)),
        "end_ms": max((end for end in ends if not math.isnan(end)), default=math.nan),
        **{name: first.get(f"{PARAM}{name}") for name in searched},
    }
