"""Choosing and summarising, against values computed by hand and by numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from introsearch.errors import ConfigError, IntrosearchError
from introsearch.results.statistics import SUMMARY_COLUMNS, choose, seed_statistics, summarise
from introsearch.study.model import sign_of

A, B, C = "a" * 12, "b" * 12, "c" * 12
COLUMNS = ["config_id", "seed", "stages", "groups", "status", "iteration", "run_id"]


def run(config_id: str, seed: int, kl: float = math.nan, **changes: Any) -> dict[str, Any]:
    row = {
        "config_id": config_id,
        "seed": seed,
        "stages": ["select"],
        "groups": ["g"],
        "status": "finished",
        "iteration": 100,
        "run_id": f"{config_id[:2]}{seed}",
        "metric.kl": kl,
    }
    return row | changes


def one(frame: pd.DataFrame, *, goal: str = "minimize", seeds: tuple[int, ...] = (0,)) -> Any:
    return choose(frame, metric="kl", goal=goal, groups=["g"], seeds=seeds)["g"]


def summary_row(rows: list[dict[str, Any]], *, seeds: tuple[int, ...]) -> pd.Series:
    table = summarise(pd.DataFrame(rows), metrics=["kl"], chosen={"g": A}, seeds=seeds)
    assert len(table) == 1
    return table.iloc[0]


class TestChoose:
    def test_goal_decides(self) -> None:
        frame = pd.DataFrame([run(A, 0, 2.0), run(B, 0, 1.0), run(C, 0, 3.0)])
        assert one(frame, goal="minimize") == B
        assert one(frame, goal="maximize") == C

    def test_mean_over_all_select_seeds(self) -> None:
        frame = pd.DataFrame([run(A, 0, 0.0), run(A, 1, 9.0), run(B, 0, 4.0), run(B, 1, 4.0)])
        assert one(frame, seeds=(0,)) == A
        assert one(frame, seeds=(0, 1)) == B

    def test_other_seeds_do_not_count(self) -> None:
        frame = pd.DataFrame([run(A, 0, 2.0), run(A, 5, -99.0), run(B, 0, 1.0), run(C, 5, -99.0)])
        assert one(frame) == B

    @pytest.mark.parametrize("status", ["diverged", "failed", "stopped", "running"])
    def test_one_unfinished_seed_disqualifies(self, status: str) -> None:
        better = [run(A, 0, 0.1), run(A, 1, 0.1, status=status)]
        frame = pd.DataFrame([*better, run(B, 0, 5.0), run(B, 1, 5.0)])
        assert one(frame, seeds=(0, 1)) == B

    def test_a_seed_not_yet_run_disqualifies(self) -> None:
        frame = pd.DataFrame([run(A, 0, 0.1), run(B, 0, 5.0), run(B, 1, 5.0)])
        assert one(frame, seeds=(0, 1)) == B

    @pytest.mark.parametrize("goal", ["minimize", "maximize"])
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_not_finite_never_wins(self, bad: float, goal: str) -> None:
        frame = pd.DataFrame([run(A, 0, bad), run(B, 0, 5.0)])
        assert one(frame, goal=goal) == B
        assert one(pd.DataFrame([run(A, 0, bad)]), goal=goal) is None

    def test_partly_nan_is_not_averaged_over_the_rest(self) -> None:
        frame = pd.DataFrame([run(A, 0, 0.1), run(A, 1), run(B, 0, 5.0), run(B, 1, 5.0)])
        assert one(frame, seeds=(0, 1)) == B

    def test_ties_go_to_the_smaller_id_in_any_row_order(self) -> None:
        rows = [run(f"{i:012x}", 0, 1.0) for i in range(20)] + [run("0" * 11, 0, 1.0)]
        assert one(pd.DataFrame(rows)) == "0" * 11
        assert one(pd.DataFrame(rows[::-1])) == "0" * 11

    def test_row_order_never_changes_a_tie(self) -> None:
        values = [0.1, 0.2, 0.3, 1e16, -1e16]
        rows = [run(A, s, v) for s, v in enumerate(values)]
        rows += [run(B, s, v) for s, v in enumerate(values)]
        rng = np.random.default_rng(0)
        for _ in range(10):
            frame = pd.DataFrame([rows[i] for i in rng.permutation(len(rows))])
            assert one(frame, seeds=(0, 1, 2, 3, 4)) == A

    def test_groups_are_labels_not_substrings_and_may_share(self) -> None:
        frame = pd.DataFrame(
            [
                run(A, 0, 1.0, groups=["8g / ip_lc"]),
                run(B, 0, 2.0, groups=["8g / ip", "8g / ip_lc"]),
            ]
        )
        picked = choose(
            frame,
            metric="kl",
            goal="minimize",
            groups=["8g / ip_lc", "8g / ip", "8g"],
            seeds=[0],
        )
        assert picked == {"8g / ip_lc": A, "8g / ip": B, "8g": None}
        assert list(picked) == ["8g / ip_lc", "8g / ip", "8g"]

    def test_nothing_run_yet(self) -> None:
        assert one(pd.DataFrame(columns=COLUMNS)) is None
        assert one(pd.DataFrame([run(A, 0, status="running")]).drop(columns="metric.kl")) is None

    def test_a_crash_followed_by_success_competes(self) -> None:
        frame = pd.DataFrame([run(A, 0, status="failed"), run(A, 0, 1.0), run(B, 0, 2.0)])
        assert one(frame) == A

    @pytest.mark.parametrize("second", ["finished", "diverged"])
    def test_contradicting_runs_are_refused(self, second: str) -> None:
        again = run(A, 0, 2.0, status=second, run_id="again")
        with pytest.raises(IntrosearchError, match="aa0, again"):
            one(pd.DataFrame([run(A, 0, 1.0), again]))

    def test_misspelt_metric_goal_and_status(self) -> None:
        frame = pd.DataFrame([run(A, 0, 1.0)])
        with pytest.raises(ConfigError, match="did you mean 'kl'"):
            choose(frame, metric="kll", goal="minimize", groups=["g"], seeds=[0])
        with pytest.raises(ConfigError, match="did you mean 'minimize'"):
            one(frame, goal="minimise")
        with pytest.raises(ValueError, match="'done'"):
            one(pd.DataFrame([run(A, 0, 1.0, status="done")]))
        with pytest.raises(ValueError, match="select seed"):
            one(frame, seeds=())


class TestSummarise:
    def test_by_hand(self) -> None:
        # Mean 3; squared deviations 4 + 1 + 9 = 14; divided by n - 1 = 2 is 7.
        row = summary_row([run(A, 1, 1.0), run(A, 2, 2.0), run(A, 3, 6.0)], seeds=(1, 2, 3))
        assert row["mean"] == 3.0
        assert row["std"] == pytest.approx(math.sqrt(7), rel=1e-15)
        assert (row["n"], row["diverged"], row["failed"], row["missing"]) == (3, 0, 0, 0)

    def test_against_numpy(self) -> None:
        values = np.random.default_rng(1).lognormal(size=17)
        row = summary_row([run(A, s, v) for s, v in enumerate(values)], seeds=tuple(range(17)))
        assert row["mean"] == np.mean(values)
        assert row["std"] == np.std(values, ddof=1)

    def test_only_chosen_configuration_and_given_seeds(self) -> None:
        rows = [run(A, 0, 100.0), run(A, 1, 1.0), run(A, 2, 3.0), run(B, 1, 50.0)]
        row = summary_row(rows, seeds=(1, 2))
        assert (row["mean"], row["n"], row["config_id"]) == (2.0, 2, A)

    def test_every_seed_is_accounted_for(self) -> None:
        rows = [
            run(A, 1, 1.0),
            run(A, 2, 7.0, status="diverged"),
            run(A, 3, 7.0, status="failed"),
            run(A, 4, 7.0, status="stopped"),
            run(A, 5, 7.0, status="running"),
            run(A, 7),
        ]
        row = summary_row(rows, seeds=(1, 2, 3, 4, 5, 6, 7))
        assert (row["mean"], row["n"]) == (1.0, 1)
        assert (row["diverged"], row["failed"], row["missing"]) == (1, 1, 4)

    def test_std_needs_two(self) -> None:
        row = summary_row([run(A, 1, 1.5)], seeds=(1,))
        assert row["mean"] == 1.5
        assert math.isnan(row["std"])

    @pytest.mark.filterwarnings("error")
    def test_no_runs_and_infinite_runs(self) -> None:
        empty = summary_row([run(B, 1, 1.0)], seeds=(1, 2))
        assert math.isnan(empty["mean"])
        assert math.isnan(empty["std"])
        assert (empty["n"], empty["missing"]) == (0, 2)
        infinite = summary_row([run(A, 1, math.inf), run(A, 2, 1.0)], seeds=(1, 2))
        assert infinite["mean"] == math.inf
        assert math.isnan(infinite["std"])

    def test_rows_and_columns(self) -> None:
        frame = pd.DataFrame([run(A, 1, 1.0) | {"metric.jsd": 2.0}])
        table = summarise(frame, metrics=["jsd", "kl"], chosen={"h": A, "g": None}, seeds=[1])
        assert tuple(table.columns) == SUMMARY_COLUMNS
        assert [tuple(row) for row in table[["group", "metric"]].to_numpy()] == [
            ("h", "jsd"),
            ("h", "kl"),
            ("g", "jsd"),
            ("g", "kl"),
        ]
        assert list(table["mean"][:2]) == [2.0, 1.0]
        assert pd.isna(table["config_id"][2])
        assert table["missing"][2] == 1
        assert table["n"].dtype == "int64"
        assert table["mean"].dtype == "float64"

    def test_retried_seed_counts_once(self) -> None:
        crashes = [run(A, 1, status="failed"), run(A, 1, status="failed")]
        assert summary_row(crashes, seeds=(1,))["failed"] == 1
        row = summary_row([*crashes, run(A, 1, 4.0)], seeds=(1,))
        assert (row["mean"], row["n"], row["failed"]) == (4.0, 1, 0)

    def test_input_is_not_changed(self) -> None:
        frame = pd.DataFrame([run(B, 1, 1.0), run(A, 1, 2.0)])
        before = frame.copy(deep=True)
        summarise(frame, metrics=["kl"], chosen={"g": A}, seeds=[1])
        one(frame, seeds=(1,))
        pd.testing.assert_frame_equal(frame, before)

    def test_metric_that_no_run_has_is_missing(self) -> None:
        frame = pd.DataFrame([run(A, 1, 1.0)])
        row = summarise(frame, metrics=["new"], chosen={"g": A}, seeds=[1]).iloc[0]
        assert math.isnan(row["mean"])
        assert (row["n"], row["missing"]) == (0, 1)


@pytest.mark.parametrize(
    ("units", "collapsed"),
    [
        ({"active_units": [0.0, 2.0, 0.0]}, 2),
        ({"active_units": [1.0, 2.0, 0.0], "active_units_z2": [0.0, 1.0, 0.0]}, 2),
        ({}, 0),
    ],
)
def test_collapsed_runs_are_counted(units: dict[str, list[float]], collapsed: int) -> None:
    """Those that finished: a run without one active unit in some latent."""
    rows = [
        run(A, seed, 1.0, **{f"metric.{name}": values[seed] for name, values in units.items()})
        for seed in range(3)
    ]
    rows.append(run(A, 3, status="diverged", **{f"metric.{name}": 0.0 for name in units}))
    row = summary_row(rows, seeds=(0, 1, 2, 3))
    assert (row["n"], row["diverged"], row["collapsed"]) == (3, 1, collapsed)


def test_sign_of() -> None:
    assert (sign_of("minimize"), sign_of("maximize"), sign_of("")) == (1.0, -1.0, 0.0)


def test_nothing_is_said_of_configurations_of_which_no_run_has_finished() -> None:
    frame = pd.DataFrame([run("a" * 12, 1, status="diverged"), run("b" * 12, 1, status="failed")])
    assert seed_statistics(frame, seeds={"a" * 12: [1], "b" * 12: [1]}) == {}
