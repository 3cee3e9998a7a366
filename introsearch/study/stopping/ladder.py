"""Asynchronous successive halving whose outcome does not depend on when results arrive.

Trials of a group have an order. At a rung, a trial is compared with those before it in that order
which enter the rung too, never with whichever happened to be faster; until these are known it goes
on, and its later results count only once it turns out to have been kept.
(Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, is the algorithm
without the order.)
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from introsearch.statuses import Status

Action = Literal["keep", "stop", "wait"]
_Key = tuple[bool, float, int]  # not finite, value to minimise, position in the order


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What happens to a trial at a rung.

    Attributes:
        action: ``keep``, ``stop``, or ``wait`` for earlier trials (while training on).
        rung: number of the rung, counted from 1; None before the first one.
        iteration: training iteration of the rung.
        rank: the trial's place among those compared; None while waiting.
        of: number of trials compared.
        keep: how many of them are kept.
    """

    action: Action
    rung: int | None = None
    iteration: int | None = None
    rank: int | None = None
    of: int | None = None
    keep: int | None = None

    @property
    def text(self) -> str:
        """In words, e.g. ``rung 2 at 9,000: 9th of 12, keep 4``."""
        if self.rung is None:
            return "no rung yet"
        head = f"rung {self.rung} at {self.iteration:,}: "
        if self.rank is None:
            return head + "waits for earlier trials"
        return head + f"{_ordinal(self.rank)} of {self.of}, keep {self.keep}"


class Ladder:
    """The rungs of one group.

    Args:
        order: names of all its trials; each is compared with those before it.
        rungs: training iterations at which trials are compared, increasing; may be empty. Or in
            another unit, see `units`.
        eta: one in `eta` is kept.
        goal: ``minimize`` or ``maximize``.
        units: by trial, how many of its iterations are one of `rungs`, e.g. the length of its
            epochs; 1 unless given.

    Raises:
        ValueError: a name occurs twice, rungs do not increase, or eta is below 2.
    """

    def __init__(
        self,
        order: Sequence[str],
        rungs: Sequence[int],
        *,
        eta: int,
        goal: str = "minimize",
        units: Mapping[str, int] | None = None,
    ) -> None:
        if len(set(order)) != len(order):
            raise ValueError("a trial occurs twice in the order of a ladder")
        if list(rungs) != sorted(set(rungs)):
            raise ValueError(f"rungs must increase, not {list(rungs)}")
        if eta < 2 or goal not in ("minimize", "maximize"):
            raise ValueError(f"needs eta of at least 2 and a goal, not {eta} and {goal!r}")
        self.order = list(order)
        self.rungs = tuple(rungs)
        self.eta = eta
        self._sign = -1.0 if goal == "maximize" else 1.0
        self._position = {name: i for i, name in enumerate(order)}
        self._number: dict[float, int] = {rung: r for r, rung in enumerate(rungs)}
        self._units = [(units or {}).get(name, 1) for name in order]
        self._values: list[dict[int, float]] = [{} for _ in order]  # by rung, per trial
        self._status: list[Status | None] = [None] * len(order)
        self._decided: list[list[Decision]] = [[] for _ in order]  # rungs passed, per trial
        self._ranked: list[list[_Key]] = [[] for _ in rungs]  # who entered, best first
        self._out = [False] * len(order)  # stopped, or ended before a rung
        self._frontier = [0] * len(rungs)  # per rung: all trials before this one are settled

    def append(self, trial: str, *, unit: int = 1) -> None:
        """Another trial, the last in the order; it changes nothing for those before it.

        Args:
            trial: its name.
            unit: its entry in `units`.

        Raises:
            ValueError: it is in the order already.
        """
        if trial in self._position:
            raise ValueError(f"{trial} is in the order of the ladder already")
        self._position[trial] = len(self.order)
        self.order.append(trial)
        self._units.append(unit)
        self._values.append({})
        self._status.append(None)
        self._decided.append([])
        self._out.append(False)

    def report(self, trial: str, iteration: int, value: float) -> None:
        """Note a metric value; at no rung, at one again, or after the end nothing changes.

        Raises:
            KeyError: the trial is not in the order.
        """
        i = self._position[trial]
        rung, values = self._number.get(iteration / self._units[i]), self._values[i]
        if rung is not None and rung not in values and self._status[i] is None:
            values[rung] = self._sign * value
            self._advance()

    def end(self, trial: str, status: Status) -> None:
        """Note that a trial will report no more; the first status counts.

        Raises:
            KeyError: the trial is not in the order.
        """
        i = self._position[trial]
        if self._status[i] is None:
            self._status[i] = status
            self._advance()

    def decision(self, trial: str) -> Decision:
        """The first rung at which a trial is stopped or must wait, else the last it was kept at.

        Raises:
            KeyError: the trial is not in the order.
        """
        i = self._position[trial]
        decided, values = self._decided[i], self._values[i]
        last = decided[-1] if decided else Decision(action="keep")
        if last.action == "keep" and len(decided) in values:
            rung = len(decided)
            return Decision(action="wait", rung=rung + 1, iteration=self._iteration(i, rung))
        return last

    def confirmed(self, trial: str) -> int | None:
        """The last iteration whose results may be recorded; None is no limit.

        Raises:
            KeyError: the trial is not in the order.
        """
        decision = self.decision(trial)
        return None if decision.action == "keep" else decision.iteration

    def outcome(self, trial: str) -> Status | None:
        """How a trial ended, as far as the ladder is concerned; None while that is not known.

        A trial that went on while it waited and is then stopped is stopped, whatever it did since.

        Raises:
            KeyError: the trial is not in the order.
        """
        action = self.decision(trial).action
        if action == "keep":
            return self._status[self._position[trial]]
        return Status.STOPPED if action == "stop" else None

    def _advance(self) -> None:
        """Settle every trial that can be settled, rung after rung."""
        for rung in range(len(self.rungs)):
            reachable = self._frontier[rung - 1] if rung else len(self.order)
            while self._frontier[rung] < reachable and self._settle(self._frontier[rung], rung):
                self._frontier[rung] += 1

    def _settle(self, i: int, rung: int) -> bool:
        """Rank a trial at a rung if it enters it, all before it being settled. False: too early."""
        if self._out[i]:
            return True
        reported = rung in self._values[i]
        if not reported and self._status[i] is None:
            return False
        ranked, key = self._ranked[rung], self._key(i, rung)
        bisect.insort(ranked, key)
        if not reported:  # it ended on the way here: counted, ranked last, and out
            self._out[i] = True
            return True
        rank, of = bisect.bisect_left(ranked, key) + 1, len(ranked)
        keep = max(1, of // self.eta)
        action: Action = "keep" if rank <= keep else "stop"
        self._out[i] = action == "stop"
        self._decided[i].append(
            Decision(
                action=action,
                rung=rung + 1,
                iteration=self._iteration(i, rung),
                rank=rank,
                of=of,
                keep=keep,
            )
        )
        return True

    def _iteration(self, i: int, rung: int) -> int:
        return self.rungs[rung] * self._units[i]

    def _key(self, i: int, rung: int) -> _Key:
        value = self._values[i].get(rung, math.nan)
        finite = math.isfinite(value)
        return (not finite, value if finite else 0.0, i)


def simulate(
    curves: Mapping[str, Mapping[int, float]],
    order: Sequence[str],
    *,
    rungs: Sequence[int],
    eta: int,
    goal: str = "minimize",
) -> Ladder:
    """What a ladder does to trials whose full curves are known.

    Args:
        curves: metric value by training iteration, per trial. At a rung that is missing or not
            finite, the trial has diverged.
        order: names of the trials.
        rungs: training iterations at which trials are compared.
        eta: one in `eta` is kept.
        goal: ``minimize`` or ``maximize``.

    Returns:
        The ladder after all trials have ended; see `outcome` and `decision`.
    """
    ladder = Ladder(order, rungs, eta=eta, goal=goal)
    for name in order:
        status = Status.FINISHED
        for iteration in rungs:
            value = curves[name].get(iteration, math.nan)
            if not math.isfinite(value):
                status = Status.DIVERGED
                break
            ladder.report(name, iteration, value)
        ladder.end(name, status)
    return ladder


def _ordinal(number: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else suffix}"
