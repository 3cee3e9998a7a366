"""How much of the training successive halving is expected to save."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import Expansion
from introsearch.study.stopping.schedule import rungs_of


class Stretch(NamedTuple):
    """A part of a trial's training, and the share of trials that come so far."""

    start: int
    end: int
    share: float


def expected_kept(trials: float, *, eta: int) -> float:
    """How many of a group's trials a rung keeps on average, if they come in random order.

    The n-th to come is among the best max(1, n // eta) of n with probability max(1, n // eta) / n.
    The first ones have little to be compared with: of few trials, more than one in eta is kept.

    Args:
        trials: that enter the rung; between whole numbers, interpolated.
        eta: one in `eta` is kept in the long run.
    """
    whole = int(trials)
    kept = sum(max(1, n // eta) / n for n in range(1, whole + 1))
    n = whole + 1
    return kept + (trials - whole) * max(1, n // eta) / n


def expected_shares(trials: int, *, rungs: Sequence[int], eta: int) -> list[float]:
    """The share of a group's trials that begin, that pass the first rung, the second, and so on."""
    alive = itertools.accumulate(
        rungs, lambda n, _: expected_kept(n, eta=eta), initial=float(trials)
    )
    return [n / trials for n in alive]


def select_shares(study: Study, expansion: Expansion) -> Mapping[str, Sequence[float]]:
    """`expected_shares` of each configuration, by its id, in the select stage.

    One that competes in several groups is stopped only when all of them stop it.
    """
    early, seeds = study.early_terminate, len(study.seeds.select)
    if early is None or not seeds:
        return {c.id: [1.0] for c in expansion.configurations}
    by_group = {
        group: expected_shares(len(members) * seeds, rungs=early.rungs, eta=early.eta)
        for group, members in expansion.members.items()
    }
    return {
        c.id: [max(shares) for shares in zip(*(by_group[g] for g in c.groups), strict=True)]
        for c in expansion.configurations
    }


def stretches(
    study: Study, configuration: Configuration, shares: Sequence[float]
) -> Iterator[Stretch]:
    """A trial's training from rung to rung, with those of its group that are expected there.

    Args:
        study: the study.
        configuration: one of its configurations.
        shares: its `select_shares`, or ``[1.0]`` without early termination.
    """
    length = configuration.settings["iterations"]
    rungs = rungs_of(study, configuration) if len(shares) > 1 else ()
    marks = [0, *(rung for rung in rungs if rung < length), length]
    for (start, end), share in zip(itertools.pairwise(marks), shares, strict=False):
        yield Stretch(start, end, share)
