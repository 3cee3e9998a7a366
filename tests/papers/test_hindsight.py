"""What a ladder would have saved and lost."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from introsearch.papers.hindsight import hindsight, simulated_curves

ORDER = ("a", "b", "c", "d")


def at(*values: float, rung: int = 10) -> dict[str, dict[int, float]]:
    return {name: {rung: value} for name, value in zip(ORDER, values, strict=True)}


def test_by_hand() -> None:
    """a is kept, being first; b is better, c and d are worse: half of them, half of the way."""
    final = dict(zip(ORDER, (4.0, 3.0, 2.0, 5.0), strict=True))
    found = hindsight(at(2, 1, 3, 4), final, ORDER, rungs=(10,), eta=2, length=20)
    assert found.share == pytest.approx((20 + 20 + 10 + 10) / 80)
    assert not found.kept_best
    assert found.regret == pytest.approx(0.5)


def test_a_metric_to_maximise() -> None:
    final = dict(zip(ORDER, (4.0, 5.0, 2.0, 3.0), strict=True))
    found = hindsight(at(2, 3, 1, 1), final, ORDER, rungs=(10,), eta=2, length=20, goal="maximize")
    assert (found.kept_best, found.regret) == (True, 0.0)


def test_diverged_trials_are_never_the_winner() -> None:
    final = dict(zip(ORDER, (math.inf, 3.0, math.inf, 5.0), strict=True))
    found = hindsight(at(1, 2, math.nan, 4), final, ORDER, rungs=(10,), eta=2, length=20)
    assert found.regret >= 0


def test_without_rungs_nothing_is_saved_or_lost() -> None:
    final = dict(zip(ORDER, (4.0, 3.0, 2.0, 5.0), strict=True))
    found = hindsight(at(2, 1, 3, 4), final, ORDER, rungs=(), eta=2, length=20)
    assert (found.share, found.kept_best, found.regret) == (1.0, True, 0.0)


def test_simulated_curves_have_the_noise_they_are_told() -> None:
    """In logarithms, and a quarter of it once the learning rate has fallen."""
    curves = simulated_curves(
        4_000, (9_000, 12_000, 30_000), noise=0.4, spread=0, wander=0, rng=random.Random(0)
    )
    logs = [[math.log(value) for value in curve.values()] for curve in curves.values()]
    spreads = [statistics.stdev(column) for column in zip(*logs, strict=True)]
    assert spreads == pytest.approx([0.4, 0.1, 0.1], rel=0.05)
    means = [statistics.mean(column) for column in zip(*logs, strict=True)]
    assert means == pytest.approx([0.42, 0.36, 0.0], abs=0.03)


def test_noise_loses_the_best_more_often() -> None:
    kept = []
    for noise in (0.0, 1.0):
        rng = random.Random(0)
        found = []
        for _ in range(50):
            curves = simulated_curves(18, (6_000, 30_000), noise=noise, wander=0, rng=rng)
            final = {name: curve[30_000] for name, curve in curves.items()}
            found.append(hindsight(curves, final, [*curves], rungs=(6_000,), eta=3, length=30_000))
        kept.append(statistics.mean(f.kept_best for f in found))
    assert kept[0] == 1.0
    assert kept[1] < 0.8
