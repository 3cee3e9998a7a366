"""Successive halving: the outcome depends on values and order, never on timing."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from introsearch.study.stopping.ladder import Ladder, simulate

RUNGS = (1, 3, 9)
Curves = dict[str, dict[int, float]]

# Few distinct values make ties frequent; None is a divergence.
_VALUE = st.one_of(st.integers(0, 3).map(float), st.floats(0, 1), st.none())
_POINTS = st.lists(_VALUE, min_size=3, max_size=3)


@st.composite
def curves(draw: st.DrawFn) -> Curves:
    found: Curves = {}
    for i, points in enumerate(draw(st.lists(_POINTS, min_size=1, max_size=14))):
        curve = {}
        for rung, value in zip(RUNGS, points, strict=True):
            if value is None:
                break
            curve[rung] = value
        found[f"t{i}"] = curve
    return found


def _events(name: str, curve: dict[int, float]) -> list[tuple[str, int | None, float]]:
    end = math.inf if len(curve) == len(RUNGS) else math.nan
    return [(name, rung, value) for rung, value in curve.items()] + [(name, None, end)]


def _reference(found: Curves, eta: int) -> dict[str, str]:
    """The rule, written naively: trial by trial, each compared with those before it."""
    entered: dict[int, list[float]] = {rung: [] for rung in RUNGS}
    outcomes = {}
    for name, curve in found.items():
        outcomes[name] = "finished"
        for rung in RUNGS:
            value = curve.get(rung, math.inf)
            rank = sum(other <= value for other in entered[rung]) + 1
            entered[rung].append(value)
            if rung not in curve:
                outcomes[name] = "diverged"
                break
            if rank > max(1, len(entered[rung]) // eta):
                outcomes[name] = "stopped"
                break
    return outcomes


@settings(max_examples=150, deadline=None)
@given(found=curves(), eta=st.integers(2, 4), rng=st.randoms(use_true_random=False))
def test_any_interleaving_has_the_same_outcome(found: Curves, eta: int, rng: random.Random) -> None:
    queues = [_events(name, curve) for name, curve in found.items()]
    ladder = Ladder(list(found), RUNGS, eta=eta)
    settled: dict[str, tuple[object, ...]] = {}
    while queues:
        queue = rng.choice(queues)
        name, rung, value = queue.pop(0)
        if rung is None:
            ladder.end(name, "finished" if value == math.inf else "diverged")
        else:
            ladder.report(name, rung, value)
            ladder.report(name, rung, value + 1)
            ladder.report(name, rung + 100, value)
        queues = [q for q in queues if q]
        for other in found:  # what was decided once stays decided
            decision = ladder.decision(other)
            if decision.action == "stop":
                assert settled.setdefault(other, (decision,)) == (decision,)
    expected = simulate(found, list(found), rungs=RUNGS, eta=eta)
    for name in found:
        assert ladder.decision(name) == expected.decision(name)
        assert ladder.outcome(name) == expected.outcome(name)
    assert {name: ladder.outcome(name) for name in found} == _reference(found, eta)


@settings(max_examples=150, deadline=None)
@given(found=curves(), eta=st.integers(2, 4))
def test_what_always_holds(found: Curves, eta: int) -> None:
    ladder = simulate(found, list(found), rungs=RUNGS, eta=eta)
    best = math.inf
    for name, curve in found.items():
        value = curve.get(RUNGS[0], math.inf)
        if value < best:  # the best so far is kept, whatever diverged before it
            best = value
            decision = ladder.decision(name)
            assert decision.action == "keep" or (decision.rung or 0) > 1
    outcomes = [ladder.outcome(name) for name in found]
    assert None not in outcomes
    healthy = [name for name, curve in found.items() if len(curve) == len(RUNGS)]
    if healthy:
        assert "finished" in outcomes or "stopped" in outcomes  # one of these can go on
    if all(len(curve) in (0, len(RUNGS)) for curve in found.values()) and healthy:
        assert "finished" in outcomes


def test_maximize_mirrors_minimize() -> None:
    rng = random.Random(0)
    found = {f"t{i}": {r: rng.random() for r in RUNGS} for i in range(30)}
    mirrored = {name: {r: -v for r, v in curve.items()} for name, curve in found.items()}
    low = simulate(found, list(found), rungs=RUNGS, eta=3)
    high = simulate(mirrored, list(found), rungs=RUNGS, eta=3, goal="maximize")
    assert [low.decision(n) for n in found] == [high.decision(n) for n in found]
    assert {low.outcome(n) for n in found} == {"finished", "stopped"}


def test_waits_for_earlier_trials_and_goes_on_meanwhile() -> None:
    ladder = Ladder(["a", "b"], RUNGS, eta=2)
    assert ladder.decision("b").text == "no rung yet"
    assert ladder.confirmed("b") is None
    ladder.report("b", 1, 5.0)
    assert ladder.decision("b").action == "wait"
    assert ladder.decision("b").text == "rung 1 at 1: waits for earlier trials"
    ladder.report("b", 3, 0.0)
    assert ladder.confirmed("b") == 1
    ladder.end("b", "finished")
    assert ladder.outcome("b") is None
    ladder.report("a", 1, 1.0)
    assert ladder.decision("b").action == "stop"
    assert ladder.confirmed("b") == 1
    assert ladder.outcome("b") == "stopped", "what it did later does not count"
    assert ladder.confirmed("a") is None


def test_decision_in_words() -> None:
    order = [f"t{i}" for i in range(12)]
    ladder = Ladder(order, (3000, 9000), eta=3)
    for i, name in enumerate(order):  # each better than the one before: all pass rung 1
        ladder.report(name, 3000, -i)
    for i, name in enumerate(order[:-1]):
        ladder.report(name, 9000, i)
    ladder.report("t11", 9000, 7.5)
    assert ladder.decision("t11").text == "rung 2 at 9,000: 9th of 12, keep 4"
    assert ladder.decision("t10").text == "rung 2 at 9,000: 11th of 11, keep 3"
    assert ladder.decision("t1").text == "rung 2 at 9,000: 2nd of 2, keep 1"


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_diverged_trials_count_but_take_no_place(status: str) -> None:
    ladder = Ladder(list("abcd"), (1, 2), eta=2)
    for name in "abc":
        ladder.end(name, status)  # type: ignore[arg-type]
    ladder.report("d", 1, 1e9)
    decision = ladder.decision("d")
    assert (decision.action, decision.rank, decision.of, decision.keep) == ("keep", 1, 4, 2)
    ladder.report("d", 2, 1e9)
    assert ladder.decision("d").of == 1, "they enter one rung only"
    assert ladder.outcome("a") == status


def test_not_a_number_ranks_last() -> None:
    ladder = Ladder(list("abc"), (1,), eta=2)
    ladder.report("a", 1, math.nan)
    ladder.report("b", 1, 1e300)
    ladder.report("c", 1, -math.inf)
    assert [ladder.decision(n).action for n in "abc"] == ["keep", "keep", "stop"]


def test_a_good_start_can_stop_the_others_and_then_diverge() -> None:
    """Then no trial finishes: whoever runs the study must let a stopped one go on."""
    found = {"a": {1: 0.0}, "b": {1: 2.0, 3: 1.0, 9: 1.0}, "c": {1: 1.0, 3: 1.0, 9: 1.0}}
    ladder = simulate(found, list(found), rungs=RUNGS, eta=3)
    assert [ladder.outcome(n) for n in "abc"] == ["diverged", "stopped", "stopped"]


def test_a_stop_needs_no_end_to_count() -> None:
    ladder = Ladder(["a", "b"], RUNGS, eta=2)
    ladder.report("a", 1, 0.0)
    ladder.report("b", 1, 1.0)
    assert ladder.outcome("b") == "stopped"


def test_without_rungs_all_finish() -> None:
    ladder = simulate({"a": {}, "b": {}}, ["a", "b"], rungs=(), eta=3)
    assert [ladder.outcome(n) for n in "ab"] == ["finished", "finished"]


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Ladder(["a", "a"], RUNGS, eta=3)
    with pytest.raises(ValueError, match="increase"):
        Ladder(["a"], (3, 1), eta=3)
    with pytest.raises(ValueError, match="eta"):
        Ladder(["a"], RUNGS, eta=1)
    with pytest.raises(KeyError):
        Ladder(["a"], RUNGS, eta=3).report("b", 1, 0.0)


def test_five_thousand_trials_are_fast() -> None:
    rng = random.Random(0)
    order = [f"t{i}" for i in range(5000)]
    ladder = Ladder(order, RUNGS, eta=3)
    start = time.perf_counter()
    for name in reversed(order):  # the worst case: nothing is settled until the last report
        for rung in RUNGS:
            ladder.report(name, rung, rng.random())
            ladder.decision(name)
        ladder.end(name, "finished")
    assert time.perf_counter() - start < 3
    assert None not in {ladder.outcome(name) for name in order}
