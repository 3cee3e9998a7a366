"""From seed runs to numbers: which configuration won its group, and how well it did.

All functions are pure and read one tidy frame with a row per seed run: `config_id`, `seed`,
`groups` (a list of labels), `status` and a `metric.<name>` column per metric.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from introsearch.errors import ConfigError, IntrosearchError, nearest_hint
from introsearch.statuses import Status
from introsearch.study.model import sign_of
from introsearch.study.stopping.compared import ACTIVE_UNITS

SUMMARY_COLUMNS = (
    "group", "config_id", "metric", "mean", "std", "n", "diverged", "failed", "missing",
    "collapsed",
)  # fmt: skip

# Which run speaks for a seed that was tried more than once: a crash or an interruption says
# nothing about the configuration, so any later outcome replaces it.
_PRECEDENCE = {
    Status.FINISHED: 0, Status.DIVERGED: 0, Status.FAILED: 1, Status.STOPPED: 2,
    Status.INTERRUPTED: 3, Status.RUNNING: 3,
}  # fmt: skip


def choose(
    frame: pd.DataFrame, *, metric: str, goal: str, groups: Sequence[str], seeds: Sequence[int]
) -> dict[str, str | None]:
    """Find the configuration with the best mean metric over the select seeds, for each group.

    A configuration competes if every one of the seeds finished with a finite metric; equal means
    go to the smaller `config_id`.

    Args:
        frame: one row per seed run.
        metric: name without the ``metric.`` prefix.
        goal: ``minimize`` or ``maximize``.
        groups: the labels to find a winner for.
        seeds: the select seeds, at least one.

    Returns:
        The winner's `config_id` by group, in the order of `groups`; None where nobody competes.

    Raises:
        ConfigError: unknown goal, or runs have finished and none has the metric.
        IntrosearchError: two runs of the same configuration and seed contradict each other.
        ValueError: no seeds, or an unknown status.
    """
    if not seeds:
        raise ValueError("choosing needs at least one select seed")
    sign = sign_of(goal)
    _check_measured(frame, metric)
    runs = one_run_per_seed(frame, seeds)
    scores = {
        config_id: sign * float(np.mean(values))
        for config_id, values in _finished_values_by_configuration(runs, metric).items()
        if len(values) == len(set(seeds)) and all(map(math.isfinite, values))
    }
    return {group: _winner(_members(runs, group), scores) for group in groups}


def summarise(
    frame: pd.DataFrame,
    *,
    metrics: Sequence[str],
    chosen: Mapping[str, str | None],
    seeds: Sequence[int],
) -> pd.DataFrame:
    """Mean, sample standard deviation and run counts of each group's chosen configuration.

    Args:
        frame: one row per seed run.
        metrics: names without the ``metric.`` prefix.
        chosen: the chosen `config_id` by group; None where there is none yet.
        seeds: the report seeds; runs of any other seed do not count.

    Returns:
        One row per group and metric, in the order given, with `SUMMARY_COLUMNS`. `mean` and `std`
        (ddof=1, NaN for n < 2) are over the n finished runs that have the metric; `diverged` and
        `failed` count seeds that ended so; `missing` counts all others, so that
        n + diverged + failed + missing is always the number of seeds. A metric that no run has
        is missing for every seed: it may be younger than the runs. `collapsed` counts those of the
        finished runs in which some latent has no active unit.

    Raises:
        IntrosearchError: two runs of the same configuration and seed contradict each other.
        ValueError: an unknown status.
    """
    rows = []
    for group, config_id in chosen.items():
        runs = one_run_per_seed(frame[frame["config_id"] == config_id], seeds)
        finished = runs[runs["status"] == Status.FINISHED]
        lost = {end: int((runs["status"] == end).sum()) for end in (Status.DIVERGED, Status.FAILED)}
        others = {"collapsed": _num_collapsed(finished)}
        for metric in metrics:
            numbers = _mean_and_std(finished, metric)
            missing = {"missing": len(set(seeds)) - int(numbers["n"]) - sum(lost.values())}
            row = {"group": group, "config_id": config_id, "metric": metric}
            rows.append(row | numbers | lost | missing | others)
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def seed_statistics(
    frame: pd.DataFrame, *, seeds: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, float]]:
    """Mean, sample standard deviation and n of every metric, for each configuration.

    Args:
        frame: one row per seed run.
        seeds: those that count, by `config_id`.

    Returns:
        By `config_id`, ``n`` (finished runs), ``<metric>.mean`` and ``<metric>.std`` (as for
        `summarise`); configurations of which no run has finished are left out.

    Raises:
        IntrosearchError: two runs of the same configuration and seed contradict each other.
    """
    metrics = [c.removeprefix("metric.") for c in frame if c.startswith("metric.")]
    finished = frame[frame["status"] == Status.FINISHED]
    # Once for all: a selection per configuration would take most of the time of a large study.
    identities = zip(finished["config_id"], finished["seed"], strict=True)
    counts = [seed in seeds[str(config_id)] for config_id, seed in identities]
    chosen = finished[np.array(counts, dtype=bool)]  # an empty list would choose columns
    counted = one_run_per_seed(chosen, finished["seed"].unique().tolist())
    statistics: dict[str, dict[str, float]] = {}
    for config_id, runs in counted.groupby("config_id"):
        statistics[str(config_id)] = {"n": float(len(runs))}
        for metric in metrics:
            numbers = _mean_and_std(runs, metric)
            for word in ("mean", "std"):
                statistics[str(config_id)][f"{metric}.{word}"] = float(numbers[word])
    return statistics


def _mean_and_std(finished: pd.DataFrame, metric: str) -> dict[str, float | int]:
    found = (float(value) for value in finished.get(f"metric.{metric}", ()))
    values = [value for value in found if not math.isnan(value)]
    finite = all(map(math.isfinite, values))
    return {
        "mean": sum(values) if not finite else float(np.mean(values)) if values else math.nan,
        "std": float(np.std(values, ddof=1)) if finite and len(values) > 1 else math.nan,
        "n": len(values),
    }


def _num_collapsed(finished: pd.DataFrame) -> int:
    columns = [c for name in ACTIVE_UNITS if (c := f"metric.{name}") in finished]
    return int((finished[columns] == 0).any(axis=1).sum())


def _finished_values_by_configuration(runs: pd.DataFrame, metric: str) -> dict[str, list[float]]:
    """One value per finished seed; a frame per configuration would take ten times as long."""
    finished = runs[runs["status"] == Status.FINISHED]
    values: dict[str, list[float]] = {}
    for config_id, value in zip(
        finished["config_id"], finished.get(f"metric.{metric}", ()), strict=False
    ):
        values.setdefault(str(config_id), []).append(float(value))
    return values


def _members(runs: pd.DataFrame, group: str) -> set[str]:
    belongs = [group in labels for labels in runs["groups"]]
    return set(runs["config_id"][belongs])


def _winner(members: Iterable[str], scores: Mapping[str, float]) -> str | None:
    competing = [(scores[config_id], config_id) for config_id in members if config_id in scores]
    return min(competing)[1] if competing else None


def one_run_per_seed(frame: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """The run that speaks for each configuration and seed, ordered by both.

    Raises:
        IntrosearchError: two runs of the same configuration and seed contradict each other.
        ValueError: an unknown status.
    """
    runs = frame[frame["seed"].isin(list(seeds))]
    unknown = sorted(set(runs["status"]) - set(_PRECEDENCE))
    if unknown:
        raise ValueError(f"unknown status {unknown[0]!r}, legal: {', '.join(_PRECEDENCE)}")
    runs = runs.assign(_rank=runs["status"].map(_PRECEDENCE))
    _refuse_contradictions(runs[runs["_rank"] == 0])
    runs = runs.sort_values(["config_id", "seed", "_rank"], kind="stable")
    return runs.drop_duplicates(["config_id", "seed"]).drop(columns="_rank")


def _refuse_contradictions(decided: pd.DataFrame) -> None:
    twice = decided[decided.duplicated(["config_id", "seed"], keep=False)]
    if twice.empty:
        return
    first = twice.iloc[0]
    same = (twice["config_id"] == first["config_id"]) & (twice["seed"] == first["seed"])
    raise IntrosearchError(
        f"configuration {first['config_id']} has more than one outcome for seed {first['seed']}",
        hint=f"keep one of the runs {', '.join(map(str, twice['run_id'][same]))}, delete the rest",
    )


def _check_measured(frame: pd.DataFrame, metric: str) -> None:
    """Refuse a metric that no run has, unless it is too early to tell."""
    prefix = "metric."
    measured = [name.removeprefix(prefix) for name in frame.columns if name.startswith(prefix)]
    if metric not in measured and (frame["status"] == Status.FINISHED).any():
        raise ConfigError(
            f"no run has measured {metric!r}", key="metric", hint=nearest_hint(metric, measured)
        )
