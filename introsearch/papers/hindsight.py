"""What early termination would have saved, and lost, where the full curves are known."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from introsearch.study.stopping.ladder import simulate

_DESCENT = 0.6  # of the logarithm, from the start to the end
Curve = Mapping[int, float]  # metric by training iteration


@dataclass(frozen=True, kw_only=True, slots=True)
class Hindsight:
    """One ladder over one group whose trials were all trained to their end.

    Attributes:
        share: iterations that the ladder trains, of those of all trials.
        kept_best: whether the best trial of all is among those that it trains to the end.
        regret: how much worse its winner is than the best of all, relative to that one.
    """

    share: float
    kept_best: bool
    regret: float


def hindsight(
    compared: Mapping[str, Curve],
    final: Mapping[str, float],
    order: Sequence[str],
    *,
    rungs: Sequence[int],
    eta: int,
    length: int,
    goal: str = "minimize",
) -> Hindsight:
    """What a ladder would have done with trials that all have finished.

    Args:
        compared: the metric that rungs compare, per trial.
        final: the metric by which winners are chosen, at the end, per trial.
        order: of the trials.
        rungs: of the ladder.
        eta: of the ladder.
        length: training iterations of each trial.
        goal: ``minimize`` or ``maximize``.
    """
    ladder = simulate(compared, order, rungs=rungs, eta=eta, goal=goal)
    trained = 0
    finished = []
    for name in order:
        decision = ladder.decision(name)
        stopped = decision.action == "stop" and decision.iteration is not None
        trained += decision.iteration or 0 if stopped else length
        if not stopped:
            finished.append(name)
    choose = min if goal == "minimize" else max
    best, winner = choose(order, key=final.__getitem__), choose(finished, key=final.__getitem__)
    return Hindsight(
        share=trained / (length * len(order)),
        kept_best=best in finished,
        regret=abs(final[winner] - final[best]) / max(abs(final[best]), 1e-12),
    )


def simulated_curves(
    trials: int,
    marks: Sequence[int],
    *,
    noise: float,
    rng: random.Random,
    spread: float = 0.5,
    wander: float = 0.2,
    settles_at: int = 10_000,
) -> dict[str, dict[int, float]]:
    """Curves like those of a divergence: decaying, noisy until the learning rate falls.

    Each trial has a final level, which it approaches from above; on the way it is noisy, and off
    its level by an error of its own, which shrinks as it goes. All of this is in logarithms.

    Args:
        trials: how many.
        marks: iterations with a value, increasing; the last one is the end.
        noise: standard deviation of one value before `settles_at`; a quarter of it after.
        rng: source of randomness.
        spread: standard deviation of the final levels.
        wander: standard deviation of the error at the start.
        settles_at: iteration at which the learning rate falls.
    """
    end = marks[-1]
    curves: dict[str, dict[int, float]] = {}
    for n in range(trials):
        level, error = rng.gauss(0, spread), rng.gauss(0, wander)
        curves[str(n)] = {
            mark: math.exp(
                level
                + (_DESCENT + error) * (1 - mark / end)
                + rng.gauss(0, noise if mark < settles_at else noise / 4)
            )
            for mark in marks
        }
    return curves
