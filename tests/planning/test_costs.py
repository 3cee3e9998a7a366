"""Costs of a study, by hand."""

from __future__ import annotations

import pytest

from introsearch.planning.costs import TrialCosts, kind_of, parallel_trials, study_costs, to_measure
from introsearch.planning.shares import expected_kept
from introsearch.study.model import Study
from introsearch.study.search.expand import expand
from introsearch.study.sections import Resources
from tests.conftest import Load

COSTS = TrialCosts(
    warmup_iteration=0.1,
    iteration=1.0,
    evaluation=10.0,
    figure=100.0,
    final=1000.0,
    checkpoint_bytes=10**6,
    figure_bytes=10**5,
    values=10,
)
WHOLE_S = 2_000 * 0.1 + 28_000 * 1.0 + 30 * 10.0  # warm-up, the rest, evaluations
HALF_CORE = Resources(cpus=0.5, gpus=0)


@pytest.fixture
def study(load: Load, small: str) -> Study:
    return load(small)


def test_hours_by_hand(study: Study) -> None:
    """Four groups of four; rungs at 3,000, 9,000 and 27,000."""
    expansion = expand(study)
    measured = dict.fromkeys(to_measure(expansion), COSTS)
    costs = study_costs(study, expansion, measured, resources=HALF_CORE, cpus=2, gpus=0)
    assert costs.select.seconds == pytest.approx(16 * (WHOLE_S + 4 * 100))
    assert costs.report.seconds == pytest.approx(4 * 2 * (WHOLE_S + 100 + 1000))
    assert costs.report.expected_seconds == costs.report.seconds
    alive = [4.0]
    for _ in range(3):
        alive.append(expected_kept(alive[-1], eta=3))
    parts = [200 + 1_000 + 30, 6_000 + 60, 18_000 + 180, 3_000 + 30]
    expected = 4 * sum(n * (part + 100) for n, part in zip(alive, parts, strict=True))
    assert costs.select.expected_seconds == pytest.approx(expected)
    assert costs.parallel_trials == 4
    assert costs.expected_wall_seconds == pytest.approx(
        max(expected / 4, WHOLE_S + 400) + costs.report.seconds / 4
    )
    stages = costs.to_dict()["stages"]
    assert stages["report"]["core_hours"] == pytest.approx(costs.report.seconds / 2 / 3600)


def test_few_trials_take_as_long_as_the_longest(study: Study) -> None:
    expansion = expand(study)
    measured = dict.fromkeys(to_measure(expansion), COSTS)
    costs = study_costs(study, expansion, measured, resources=HALF_CORE, cpus=1000, gpus=0)
    assert costs.wall_seconds == pytest.approx(2 * WHOLE_S + 400 + 100 + 1000)


def test_disk_grows_with_what_is_kept(study: Study) -> None:
    expansion = expand(study)
    measured = dict.fromkeys(to_measure(expansion), COSTS)
    costs = study_costs(study, expansion, measured, resources=HALF_CORE, cpus=1, gpus=0)
    files = 16 * (10**6 + 2 * 4 * 10**5) + 4 * 2 * (10**6 + 2 * 10**5)
    points = 190 * 10 * 30 * (16 + 8)
    assert files + points < costs.disk_bytes < files + points + 2 * 10**6


def test_seeds_that_serve_both_stages_are_trained_once(load: Load, small: str) -> None:
    text = small.replace("report: [1, 2]", "report: [0, 1], reuse_seeds: true")
    study = load(text)
    expansion = expand(study)
    measured = dict.fromkeys(to_measure(expansion), COSTS)
    costs = study_costs(study, expansion, measured, resources=HALF_CORE, cpus=1, gpus=0)
    assert costs.report.seconds == pytest.approx(4 * (WHOLE_S + 100 + 1000))


def test_kinds_differ_in_what_takes_time(study: Study) -> None:
    """Not in weights of the loss: one to measure per data set and variant."""
    expansion = expand(study)
    kinds = to_measure(expansion)
    assert len(kinds) == 4
    assert {kind_of(c) for c in expansion.configurations} == set(kinds)


def test_of_many_kinds_some_are_measured(load: Load, small: str) -> None:
    study = load(small.replace("components: 8", "components: {values: [2, 3, 4, 5, 6, 7, 8]}"))
    expansion = expand(study)
    kinds = to_measure(expansion)
    assert len(kinds) == 2 + 2 * 4
    measured = dict.fromkeys(kinds, COSTS)
    costs = study_costs(study, expansion, measured, resources=HALF_CORE, cpus=1, gpus=0)
    trials = 2 * 4 + 2 * 4 * 7
    assert costs.select.seconds == pytest.approx(trials * (WHOLE_S + 4 * 100))


@pytest.mark.parametrize(
    ("resources", "cpus", "gpus", "at_once"),
    [
        (Resources(cpus=1, gpus=0), 2, 0, 2),
        (Resources(cpus=0.1, gpus=0), 1, 0, 10),
        (Resources(cpus=4, gpus=0), 2, 0, 1),
        (Resources(cpus=1, gpus=0.25), 64, 2, 8),
        (Resources(cpus=1, gpus=0.3), 64, 2, 6),
        (Resources(cpus=1, gpus=2), 64, 5, 2),
        (Resources(cpus=16, gpus=0.25), 64, 8, 4),
    ],
)
def test_trials_at_a_time(
    study: Study, resources: Resources, cpus: int, gpus: int, at_once: int
) -> None:
    assert parallel_trials(study, resources, cpus=cpus, gpus=gpus) == at_once


def test_the_budget_limits_trials_at_a_time(load: Load, small: str) -> None:
    study = load(small, "budget.max_concurrent_trials=3")
    assert parallel_trials(study, Resources(cpus=1, gpus=0), cpus=64, gpus=0) == 3
