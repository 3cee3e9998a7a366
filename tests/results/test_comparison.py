"""Intervals and tests, against scipy, numbers from books, and simulations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from introsearch.errors import ConfigError
from introsearch.results.comparison import (
    BEST,
    COMPARISON_COLUMNS,
    TIED,
    TOO_FEW,
    WORSE,
    against_best,
    compare,
    holm,
    interval,
    paired_p_value,
)
from introsearch.results.statistics import summarise

SEEDS = (1, 2, 3, 4, 5)


def by_seed(*values: float) -> dict[int, float]:
    return dict(zip(SEEDS, values, strict=False))


class TestHolm:
    def test_a_known_example(self) -> None:
        # As R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_never_above_one_and_never_reordered(self) -> None:
        rng = np.random.default_rng(1)
        for n in range(1, 9):
            p = rng.random(n)
            corrected = np.array(holm(list(p)))
            assert ((corrected >= p) & (corrected <= 1)).all()
            assert (np.diff(corrected[np.argsort(p)]) >= 0).all()
        assert holm([]) == []

    def test_wrong_alarms_of_a_family_stay_below_the_level(self) -> None:
        rng = np.random.default_rng(2)
        alarms = [min(holm(list(rng.random(6)))) < 0.05 for _ in range(4_000)]
        assert np.mean(alarms) < 0.062  # 0.05 and 3.5 standard errors


class TestPairs:
    def test_is_the_paired_t_test_by_hand(self) -> None:
        first, second = by_seed(1.0, 2.0, 4.0, 3.0), by_seed(0.5, 2.5, 3.0, 1.0)
        d = np.array([0.5, -0.5, 1.0, 2.0])
        t = d.mean() / (d.std(ddof=1) / 2)
        assert paired_p_value(first, second) == pytest.approx(2 * stats.t.sf(abs(t), df=3))
        assert paired_p_value(second, first) == paired_p_value(first, second)

    def test_seeds_are_paired_whatever_their_order(self) -> None:
        first = {3: 1.0, 1: 2.0, 2: 4.0}
        second = {1: 2.5, 9: 100.0, 2: 4.1, 3: 1.2}
        p = paired_p_value(first, second)
        assert p == pytest.approx(stats.ttest_rel([2.0, 4.0, 1.0], [2.5, 4.1, 1.2]).pvalue)

    def test_too_few_in_common(self) -> None:
        assert math.isnan(paired_p_value(by_seed(1, 2, 3), {1: 1.0, 2: 2.0, 9: 3.0}))
        assert math.isnan(paired_p_value({}, {}))

    def test_constant_differences(self) -> None:
        assert paired_p_value(by_seed(1, 2, 3), by_seed(1, 2, 3)) == 1.0
        assert paired_p_value(by_seed(1, 2, 3), by_seed(2, 3, 4)) == 0.0
        assert paired_p_value(by_seed(0.1, 0.2, 0.3), by_seed(1.1, 1.2, 1.3)) < 1e-12


class TestAgainstBest:
    VALUES: dict[str, dict[int, float]] = {  # noqa: RUF012
        "worse": by_seed(5.0, 5.1, 5.2, 5.1, 5.0),
        "best": by_seed(1.0, 1.2, 0.9, 1.1, 1.0),
        "tied": by_seed(1.3, 0.8, 1.2, 0.9, 1.1),
        "few": by_seed(1.5, 1.4),
        "none": {},
    }

    def test_verdicts(self) -> None:
        found = against_best(self.VALUES, sign=1.0)
        assert {name: verdict for name, (_, verdict) in found.items()} == {
            "worse": WORSE, "best": BEST, "tied": TIED, "few": TOO_FEW, "none": "",
        }  # fmt: skip
        # Two were tested, so that the smaller p-value counts twice.
        raw = paired_p_value(self.VALUES["worse"], self.VALUES["best"])
        assert found["worse"][0] == pytest.approx(2 * raw)
        assert all(math.isnan(found[name][0]) for name in ("best", "few", "none"))

    def test_the_goal_decides_who_is_best(self) -> None:
        assert against_best(self.VALUES, sign=-1.0)["worse"][1] == BEST

    def test_all_that_share_the_best_mean_are_best(self) -> None:
        values = {"a": by_seed(1.0, 3.0), "b": by_seed(2.0, 2.0), "c": by_seed(4.0, 4.0)}
        found = against_best(values, sign=1.0)
        assert [found[name][1] for name in "abc"] == [BEST, BEST, TOO_FEW]

    def test_not_finite_is_never_best(self) -> None:
        found = against_best({"a": by_seed(1, math.inf, 2), "b": by_seed(5, 6, 7)}, sign=-1.0)
        assert (found["a"][1], found["b"][1]) == ("", BEST)
        ((p, verdict),) = against_best({"a": {}}, sign=1.0).values()
        assert (math.isnan(p), verdict) == (True, "")


class TestInterval:
    def test_covers_about_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(0)
        hits = []
        for _ in range(60):
            low, high = interval(list(rng.normal(2.0, 1.0, size=20)))
            hits.append(low < 2.0 < high)
        assert np.mean(hits) > 0.83  # 20 normal values: close to 0.93

    def test_is_the_same_every_time(self) -> None:
        assert interval([1.0, 2.0, 4.0]) == interval([1.0, 2.0, 4.0])

    def test_edges(self) -> None:
        assert interval([3.0, 3.0, 3.0]) == (3.0, 3.0)
        for values in ([], [1.0], [1.0, 2.0], [1.0, 2.0, math.inf]):
            assert all(map(math.isnan, interval(values)))


def runs(config_id: str, values: dict[int, float]) -> list[dict[str, Any]]:
    return [
        {
            "config_id": config_id,
            "seed": seed,
            "groups": [config_id],
            "status": "finished",
            "run_id": f"{config_id}{seed}",
            "metric.kl": value,
        }
        for seed, value in values.items()
    ]


def compared(goal: str = "minimize") -> pd.DataFrame:
    values = TestAgainstBest.VALUES
    frame = pd.DataFrame([row for name in values for row in runs(name, values[name])])
    chosen = {name: name for name in ("worse", "best", "tied", "few")} | {"gone": None}
    summary = summarise(frame, metrics=["kl", "unmeasured"], chosen=chosen, seeds=SEEDS)
    return compare(
        summary,
        frame,
        goals={"kl": goal, "unmeasured": "minimize"},
        seeds=SEEDS,
        blocks=dict.fromkeys(chosen, "x") | {"few": "y"},
    )


def test_better_on_all_common_seeds_is_not_worse() -> None:
    """The best mean may be due to seeds that the other row lost."""
    best, other = by_seed(10.0, 10.1, 10.05, 0.0, 0.1), by_seed(9.0, 9.1, 9.051)
    outcome = against_best({"best": best, "other": other}, sign=1)["other"]
    assert outcome[0] < 1e-6
    assert outcome[1] == TIED
    mirrored = [{seed: -value for seed, value in row.items()} for row in (best, other)]
    assert against_best(dict(zip("ab", mirrored, strict=True)), sign=-1)["b"] == outcome
    worse = by_seed(11.0, 11.1, 11.051)
    assert against_best({"best": best, "other": worse}, sign=1)["other"][1] == WORSE


def test_values_that_differ_by_less_than_rounding_warn_of_nothing() -> None:
    low, high = interval([0.0, 0.0, 0.0, 0.0, 1e-300])
    assert math.isnan(low) == math.isnan(high)


def test_a_summary_gets_intervals_and_verdicts_per_block() -> None:
    table = compared()
    kl = table[table["metric"] == "kl"].set_index("group")
    # Alone in its block, even two seeds are the best.
    expected = {"worse": WORSE, "best": BEST, "tied": TIED, "few": BEST, "gone": ""}
    assert kl["verdict"].to_dict() == expected
    low, high = kl.loc["tied", ["ci_low", "ci_high"]]
    assert low < kl.loc["tied", "mean"] < high
    assert math.isnan(kl.loc["few", "ci_low"])
    rest = table[table["metric"] == "unmeasured"]
    assert set(rest["verdict"]) == {""}
    assert rest[["ci_low", "p_value"]].isna().all(axis=None)


def test_without_a_goal_nothing_is_compared() -> None:
    table = compared(goal="")
    assert set(table["verdict"]) == {""}
    assert table["p_value"].isna().all()


def test_an_empty_summary_has_the_columns() -> None:
    frame = pd.DataFrame(columns=["config_id", "seed", "groups", "status", "run_id"])
    summary = summarise(frame, metrics=[], chosen={}, seeds=SEEDS)
    assert set(COMPARISON_COLUMNS) <= set(compare(summary, frame, goals={}, seeds=[], blocks={}))


def test_an_unknown_goal_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown goal 'least'"):
        compared("least")
