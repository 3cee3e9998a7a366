"""What halving is expected to save, compared with ladders of trials in random order."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace

import pytest

from introsearch.planning.shares import expected_kept, expected_shares, select_shares, stretches
from introsearch.study.search.expand import expand
from introsearch.study.stopping.ladder import simulate
from tests.conftest import Load


@pytest.mark.parametrize(("trials", "kept"), [(1, 1), (2, 1.5), (3, 1.5 + 1 / 3), (1.5, 1.25)])
def test_expected_kept_by_hand(trials: float, kept: float) -> None:
    assert expected_kept(trials, eta=3) == pytest.approx(kept)


def test_one_in_eta_of_very_many() -> None:
    assert expected_kept(100_000, eta=3) / 100_000 == pytest.approx(1 / 3, rel=1e-3)


@pytest.mark.parametrize("trials", [4, 18, 60])
def test_shares_are_those_of_simulated_ladders(trials: int) -> None:
    order = [str(i) for i in range(trials)]
    rng = random.Random(0)
    passed: list[list[int]] = []
    for _ in range(400):
        curves = {name: {10: rng.random(), 30: rng.random()} for name in order}
        ladder = simulate(curves, order, rungs=(10, 30), eta=3)
        kept = [d for d in map(ladder.decision, order) if d.action == "keep"]
        reached = [ladder.decision(name).rung for name in order]
        passed.append([reached.count(2), len(kept)])
    _, first, second = expected_shares(trials, rungs=(10, 30), eta=3)
    means = [statistics.mean(column) / trials for column in zip(*passed, strict=True)]
    assert means == pytest.approx([first, second], rel=0.08)


def test_stretches_of_a_trial_that_ends_between_rungs(load: Load, small: str) -> None:
    study = load(small)
    configuration = replace(expand(study).configurations[0], settings={"iterations": 5_000})
    found = list(stretches(study, configuration, [1.0, 0.5, 0.2]))
    assert found == [(0, 3_000, 1.0), (3_000, 5_000, 0.5)]


def test_without_early_termination_all_go_to_the_end(load: Load, small: str) -> None:
    study = load(small[: small.index("early_terminate")])
    expansion = expand(study)
    assert set(map(tuple, select_shares(study, expansion).values())) == {(1.0,)}
    configuration, *_ = expansion.configurations
    assert list(stretches(study, configuration, [1.0])) == [(0, 30_000, 1.0)]


def test_a_shared_configuration_goes_on_while_any_group_keeps_it(load: Load, small: str) -> None:
    """The second variant is the first under another name, beside many others."""
    more = "  more: {prior: gaussian, beta_kl: {values: [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1]}}\n"
    study = load(small.replace("early_terminate", more + "early_terminate"))
    expansion = expand(study)
    shares = select_shares(study, expansion)
    (shared, *_) = [c for c in expansion.configurations if len(c.groups) == 2]
    (alone, *_) = [c for c in expansion.configurations if c.variants == ("more",)]
    assert shares[shared.id][1] > shares[alone.id][1]
