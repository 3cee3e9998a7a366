"""Which rows of a table differ: intervals, and paired tests against the best of each block."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import scipy  # which imports its `stats`, a second's work, when that is first used
from numpy.typing import NDArray

from introsearch.results.statistics import one_run_per_seed
from introsearch.statuses import Status
from introsearch.study.model import sign_of

# A t-test of two pairs has one degree of freedom, and two values span no distribution.
MIN_SEEDS = 3
LEVEL = 0.05
_CONFIDENCE = 0.95
COMPARISON_COLUMNS = ("ci_low", "ci_high", "p_value", "verdict")

BEST: Final = "best"
TIED: Final = "not significantly worse"
WORSE: Final = "worse"
TOO_FEW: Final = "n too small"

Floats = NDArray[np.float64]


def compare(
    summary: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    goals: Mapping[str, str],
    seeds: Sequence[int],
    blocks: Mapping[str, str],
) -> pd.DataFrame:
    """Add intervals and tests to a summary.

    Within each block, and for each metric, every row is compared with the one of the best mean by a
    two-sided paired t-test over the seeds that both have finished; p-values are corrected after
    Holm for the number of rows compared. (With five seeds, rank and permutation tests cannot reach
    5 %, whatever the values.) The best is the best of what was seen, which no test corrects.

    Args:
        summary: as returned by `statistics.summarise`.
        frame: one row per seed run.
        goals: ``minimize`` or ``maximize`` for each metric of the summary; of one without a goal
            (empty), no row is better than another.
        seeds: the report seeds.
        blocks: the block of each group; rows of different blocks are not compared.

    Returns:
        The summary with `COMPARISON_COLUMNS`: a bootstrap interval of the mean (95 %, BCa; NaN
        below `MIN_SEEDS` seeds), the corrected p-value (NaN where nothing was tested), and the
        verdict: `BEST`, `TIED` (not significantly worse than the best at 5 %), `WORSE`, `TOO_FEW`
        (less than `MIN_SEEDS` seeds in common), or empty without a value or a goal.

    Raises:
        ConfigError: an unknown goal.
    """
    runs = one_run_per_seed(frame[frame["config_id"].isin(summary["config_id"])], seeds)
    finished = {
        config_id: of_one
        for config_id, of_one in runs[runs["status"] == Status.FINISHED].groupby("config_id")
    }
    values = {
        (row.group, row.metric): _by_seed(finished.get(row.config_id), row.metric)
        for row in summary.itertuples()
    }
    intervals = [interval(list(of_row.values())) for of_row in values.values()]
    verdicts: dict[tuple[str, str], tuple[float, str]] = {}
    for (_, metric), rows in summary.groupby([summary["group"].map(blocks), "metric"], sort=False):
        of_block = {group: values[group, metric] for group in rows["group"]}
        tested = against_best(of_block, sign=sign_of(goals[metric]))
        verdicts |= {(group, metric): outcome for group, outcome in tested.items()}
    outcomes = [verdicts[key] for key in values]
    columns = [(*bounds, *outcome) for bounds, outcome in zip(intervals, outcomes, strict=True)]
    added = pd.DataFrame(columns, columns=list(COMPARISON_COLUMNS), index=summary.index)
    return pd.concat([summary, added], axis=1)


def _by_seed(finished: pd.DataFrame | None, metric: str) -> dict[int, float]:
    """Values of those seeds that have one."""
    if finished is None or (column := f"metric.{metric}") not in finished:
        return {}
    found = zip(finished["seed"], finished[column], strict=True)
    return {int(seed): float(value) for seed, value in found if not math.isnan(value)}


def against_best(
    values: Mapping[str, Mapping[int, float]], *, sign: float
) -> dict[str, tuple[float, str]]:
    """Test rows against the one with the best mean.

    Args:
        values: of each row, by seed.
        sign: 1 if lower is better, -1 if higher is, 0 if neither.

    Returns:
        Each row's corrected p-value (NaN if not tested) and verdict.
    """
    means = {name: sign * float(np.mean([*v.values()])) for name, v in values.items() if v}
    finite = {name: mean for name, mean in means.items() if math.isfinite(mean)}
    if not finite or sign == 0:
        return dict.fromkeys(values, (math.nan, ""))
    best = min(finite, key=lambda name: finite[name])
    p_values = {
        name: p
        for name in finite
        if name != best and not math.isnan(p := paired_p_value(values[name], values[best]))
    }
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    outcomes = {}
    for name in values:
        p = corrected.get(name, math.nan)
        is_worse = p < LEVEL and sign * _mean_difference(values[name], values[best]) > 0
        verdict = TOO_FEW if math.isnan(p) else WORSE if is_worse else TIED
        verdict = BEST if name in finite and finite[name] == finite[best] else verdict
        outcomes[name] = (p, verdict if name in finite else "")
    return outcomes | {best: (math.nan, BEST)}


def paired_p_value(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """Of a two-sided paired t-test over common seeds; NaN if they are less than `MIN_SEEDS`."""
    a, b = _paired(first, second)
    if len(a) < MIN_SEEDS:
        return math.nan
    if np.ptp(a - b) == 0:
        return 1.0 if a[0] == b[0] else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # almost constant differences: p is 0, and rightly so
        return float(scipy.stats.ttest_rel(a, b).pvalue)


def _mean_difference(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """Over common seeds. It may favour the first though the second has the better mean of all:
    where the first diverged, the second may have done best.
    """
    a, b = _paired(first, second)
    return float(np.mean(a - b))


def _paired(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[Floats, Floats]:
    """The values of common seeds."""
    common = sorted(first.keys() & second.keys())
    return np.array([first[s] for s in common]), np.array([second[s] for s in common])


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of several p-values, in their order.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    corrected = np.zeros(len(p_values))
    highest = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return [float(p) for p in corrected]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap interval of the mean (BCa, always the same draws).

    Returns:
        Lower and upper end; NaN for less than `MIN_SEEDS` values, or values that are not finite.
    """
    if len(values) < MIN_SEEDS or not np.isfinite(values).all():
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that differ by rounding have no interval: NaN
        found = scipy.stats.bootstrap(
            (np.asarray(values),),
            np.mean,
            confidence_level=_CONFIDENCE,
            rng=np.random.default_rng(0),
        ).confidence_interval
    return float(found.low), float(found.high)
