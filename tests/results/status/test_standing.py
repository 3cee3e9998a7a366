"""Where a study stands, told from recorded trials alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from introsearch.results.status.model import GroupStatus, RecordedTrial, StudyStatus
from introsearch.results.status.remaining import Span, concurrency, remaining_seconds
from introsearch.results.status.standing import standing
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand, select_trials

STUDY = """\
name: standing
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1, 2]}
parameters:
  dataset: rings
  iterations: 600
  warmup_iterations: 100
  lr_milestones: []
variants:
  low: {beta_neg: {values: [1, 2, 3]}}
  high: {beta_neg: {values: [3, 4, 5]}}
early_terminate: {type: asha, min_iter: 200, max_iter: 600, eta: 2}
evaluate_every: 100
"""
NOW_MS = 1_000_000


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


def members(study: Study, group: str) -> list[Trial]:
    trials = select_trials(study, expand(study))
    return [t for t in trials if group in t.configuration.groups]


def recorded(trial: Trial, status: str = Status.FINISHED, **more: Any) -> RecordedTrial:
    values = {"iteration": 600, "value": 1.0, "seconds": 60.0, "last_ms": NOW_MS, "end_ms": NOW_MS}
    return RecordedTrial(
        run_id=trial.name,
        config_id=trial.configuration.id,
        seed=trial.seed,
        status=status,
        **values | more,  # type: ignore[arg-type]
    )


@pytest.fixture
def stands(study: Study) -> Callable[..., StudyStatus]:
    def find_out(*trials: RecordedTrial, active: bool | None = True) -> StudyStatus:
        named = {f"{t.config_id}-s{t.seed}": t for t in trials}
        return standing(study, named, state=Status.RUNNING, active=active, now_ms=NOW_MS)

    return find_out


def row(status: StudyStatus, stage: str, group: str) -> GroupStatus:
    (found,) = [r for r in status.groups if (r.stage, r.group) == (stage, group)]
    return found


def seen(found: GroupStatus) -> dict[str, int]:
    return {state: number for state, number in found.counts.items() if number}


def test_nothing_has_happened_yet(stands: Callable[..., StudyStatus]) -> None:
    status = stands()
    assert [(r.stage, r.group) for r in status.groups] == [
        (stage, group) for stage in ("select", "report") for group in ("low", "high", "")
    ]
    assert seen(row(status, "select", "low")) == {Status.PENDING: 3}
    assert seen(row(status, "select", "")) == {Status.PENDING: 5}, "one trial is in both groups"
    assert seen(row(status, "report", "")) == {Status.PENDING: 4}
    assert (status.eta_seconds, status.last_ms) == (None, None)
    assert status.decisions() == status.failures() == []


def test_every_status_is_counted(study: Study, stands: Callable[..., StudyStatus]) -> None:
    low, high = members(study, "low"), members(study, "high")
    shared = next(t for t in low if t.name in {h.name for h in high})
    first, second = (t for t in low if t is not shared)
    third, fourth = (t for t in high if t.name != shared.name)
    status = stands(
        recorded(shared, Status.FINISHED, value=3.0),
        recorded(first, Status.STOPPED, iteration=200, decision="rung 1 at 200: 2nd of 2, keep 1"),
        recorded(second, Status.DIVERGED, iteration=7, reason="loss", value=None),
        recorded(third, Status.FAILED, iteration=100, reason="RuntimeError", end_ms=NOW_MS + 1),
        recorded(fourth, Status.RUNNING, iteration=100, decision="no rung yet", end_ms=None),
    )
    counts = {"low": (1, 0, 1, 1, 0), "high": (1, 1, 0, 0, 1), "": (1, 1, 1, 1, 1)}
    states = (Status.FINISHED, Status.RUNNING, Status.STOPPED, Status.DIVERGED, Status.FAILED)
    for group, numbers in counts.items():
        assert tuple(row(status, "select", group).counts[s] for s in states) == numbers
    assert row(status, "select", "low").best == 3.0
    assert row(status, "select", "low").config_id == shared.configuration.id
    assert [t.name for t in status.decisions()] == [first.name]
    assert [t.name for t in status.failures()] == [third.name, second.name], "latest first"


def test_a_trial_without_an_active_unit_has_collapsed(
    study: Study, stands: Callable[..., StudyStatus]
) -> None:
    first, second, third = members(study, "low")
    status = stands(
        recorded(first, active_units=0.0),
        recorded(second, active_units=1.0),
        recorded(third, active_units=None),
    )
    assert [t.name for t in status.collapsed()] == [first.name]
    assert status.to_dict()["collapsed"] == [first.name]


def test_a_running_trial_of_a_killed_run_is_interrupted(
    study: Study, stands: Callable[..., StudyStatus]
) -> None:
    trial = recorded(members(study, "low")[0], Status.RUNNING, iteration=100)
    states = {True: "running", False: "interrupted", None: "running"}
    for active, state in states.items():
        status = stands(trial, active=active)
        assert status.state == state
        assert seen(row(status, "select", ""))[state] == 1


def test_the_winner_is_reported_once_its_group_is_decided(
    study: Study, stands: Callable[..., StudyStatus]
) -> None:
    low = members(study, "low")
    trials = [recorded(t, value=float(i)) for i, t in enumerate(low)]
    status = stands(*trials[:2])
    assert row(status, "report", "low").config_id is None
    assert row(status, "select", "low").config_id == low[0].configuration.id
    winner = Trial(configuration=low[0].configuration, seed=1, stage="report")
    status = stands(*trials, recorded(winner, value=5.0))
    found = row(status, "report", "low")
    assert (found.config_id, found.best) == (low[0].configuration.id, 5.0)
    assert seen(found) == {Status.FINISHED: 1, Status.PENDING: 1}
    names = [t.name for t in status.trials if t.stage == "report"]
    assert names == [f"{low[0].configuration.id}-s{seed}" for seed in (1, 2)]


def test_a_select_seed_that_runs_again_to_be_reported_stays_selected(
    tmp_path: Path,
) -> None:
    """As it does where the report has a metric that was not measured before."""
    path = tmp_path / "again.yaml"
    path.write_text(
        STUDY.replace(
            "select: [0], report: [1, 2]", "select: [0], report: [0, 1], reuse_seeds: true"
        )
    )
    study = load_study(path)
    trials = [*members(study, "low"), *members(study, "high")]
    named = {t.name: recorded(t, value=float(i)) for i, t in enumerate(trials)}
    first = trials[0]
    for state in (Status.RUNNING, Status.INTERRUPTED):
        named[first.name] = recorded(first, state, value=0.0, stage="report")
        status = standing(study, named, state=Status.RUNNING, active=True, now_ms=NOW_MS)
        assert seen(row(status, "select", "low")) == {Status.FINISHED: 3}
        report = row(status, "report", "low")
        assert report.config_id == first.configuration.id
        assert seen(report) == {state: 1, Status.PENDING: 1}


def test_a_group_without_finishers(study: Study, stands: Callable[..., StudyStatus]) -> None:
    low = members(study, "low")
    hopeless = stands(*(recorded(t, Status.DIVERGED) for t in low))
    assert seen(row(hopeless, "report", "low")) == {}
    stopped = [recorded(t, Status.STOPPED if i else Status.DIVERGED) for i, t in enumerate(low)]
    assert seen(row(stands(*stopped), "report", "low")) == {Status.PENDING: 2}, (
        "the best one goes on"
    )


def test_trials_of_other_configurations_are_told_apart(
    study: Study, stands: Callable[..., StudyStatus]
) -> None:
    other = RecordedTrial(run_id="x", config_id="0" * 12, seed=0, status=Status.FINISHED, value=0.0)
    status = stands(other)
    assert status.num_others == 1
    assert seen(row(status, "select", "")) == {Status.PENDING: 5}


def test_what_is_left_is_timed_by_what_was_done(
    study: Study, stands: Callable[..., StudyStatus]
) -> None:
    low = members(study, "low")
    alone = {"last_ms": 100_000, "seconds": 60.0}
    status = stands(
        recorded(low[0], **alone),
        recorded(low[1], Status.STOPPED, iteration=200, last_ms=120_000, seconds=20.0),
        active=False,
    )
    assert status.at_once == 1.0
    # 0.1 s per iteration. Left: low's third trial, which is high's first, up to the usual 400;
    # two of high, of which nothing is known, up to 600; then twice two reports of 600.
    assert status.eta_seconds == pytest.approx(0.1 * (400 + 2 * 600 + 4 * 600))


def test_json_holds_everything(study: Study, stands: Callable[..., StudyStatus]) -> None:
    stopped = recorded(members(study, "low")[0], Status.STOPPED, decision="rung 1: 2nd, keep 1")
    data = json.loads(json.dumps(stands(stopped).to_dict(), allow_nan=False))
    assert data["study"] == "standing"
    assert data["decisions"] == [stopped.run_id]
    assert len(data["trials"]) == 5
    (trial,) = [t for t in data["trials"] if t["name"] == stopped.run_id]
    assert (trial["status"], trial["iteration"], trial["iterations"]) == ("stopped", 600, 600)
    assert data["groups"][0]["counts"]["pending"] == 2


def test_concurrency_counts_overhead_but_no_nights() -> None:
    assert concurrency([], []) == 1.0
    short = [Span(0, 10), Span(2_000, 2_010)]
    assert concurrency(short, []) == pytest.approx(20 / 2_010), "starting them takes longer"
    pair = [Span(0, 100_000), Span(0, 100_000)]
    assert concurrency(pair, []) == 2.0
    assert concurrency([*pair, Span(150_000, 250_000)], []) == pytest.approx(300 / 250)
    night = 10_000_000
    assert concurrency([*pair, Span(night, night + 100_000)], []) == pytest.approx(300 / 200)
    assert concurrency([], [*pair, Span(50_000, 100_000)]) == 2.5


def test_remaining_time_is_at_least_the_longest_trial_of_each_stage() -> None:
    assert remaining_seconds([], at_once=2) == 0
    assert remaining_seconds([[10, 10, 10, 10], [30, 2]], at_once=2) == 20 + 30
