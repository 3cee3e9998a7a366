"""Finds out where a study stands, from the study and what is recorded of its trials."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from introsearch.results.result import choose_configurations, end_of_select
from introsearch.results.status.model import (
    STATES,
    GroupStatus,
    RecordedTrial,
    StudyStatus,
    TrialStatus,
)
from introsearch.results.status.remaining import Span, concurrency, remaining_seconds
from introsearch.statuses import OPEN, SETTLED, Status
from introsearch.study.model import Stage, Study, Trial
from introsearch.study.search.expand import Expansion, expand, report_trials, select_trials


@dataclass(kw_only=True)
class _Cell:
    """A group's trials of one stage; those of a configuration yet to be found have no names."""

    stage: Stage
    group: str
    trials: list[TrialStatus]
    num_unnamed: int = 0
    chosen: str | None = None


def standing(
    study: Study,
    recorded: Mapping[str, RecordedTrial],
    *,
    state: Status,
    active: bool | None,
    expansion: Expansion | None = None,
    now_ms: float | None = None,
) -> StudyStatus:
    """Where a study stands.

    Args:
        study: the study.
        recorded: what is recorded of its trials, by name.
        state: what is recorded of the study itself.
        active: whether a `run` works on it; None if that cannot be seen from here.
        expansion: the study's configurations by now; all that it can have unless given.
        now_ms: milliseconds since 1970; the present unless given.
    """
    expansion = expansion or expand(study)
    ids = {c.id for c in expansion.configurations}
    known = {name: trial for name, trial in recorded.items() if trial.config_id in ids}
    chosen = choose_configurations(study, expansion, _frame(study, expansion, known.values()))
    status_of = _status_reader(study, known, killed=active is False)
    select = _select_cells(study, expansion, chosen, status_of)
    report = _report_cells(study, expansion, chosen, status_of, select=select)
    stages = [cells for cells in (select, report) if cells]
    at_once = _at_once(known.values(), active=active, now_ms=now_ms or time.time() * 1000)
    work = _work(study, expansion, stages)
    return StudyStatus(
        study=study.name,
        metric=study.metric.name,
        goal=study.metric.goal,
        state=_state(state, active=active),
        active=active,
        groups=tuple(row for cells in stages for row in _rows(cells)),
        trials=tuple(trial for cells in stages for trial in _unique(cells)),
        num_others=len(recorded) - len(known),
        eta_seconds=None if work is None else remaining_seconds(work, at_once=at_once),
        at_once=max(1.0, at_once),
        last_ms=max((t.last_ms for t in known.values() if t.last_ms), default=None),
        evaluation_share=_evaluation_share(known.values()),
    )


def _evaluation_share(trials: Collection[RecordedTrial]) -> float | None:
    evaluating = sum(t.evaluation_seconds for t in trials)
    return evaluating / sum(t.seconds for t in trials) if evaluating else None


def _state(recorded: Status, *, active: bool | None) -> Status:
    """A study that is recorded as running while nothing runs was killed."""
    if active:
        return Status.RUNNING
    return Status.INTERRUPTED if active is False and recorded == Status.RUNNING else recorded


def _frame(study: Study, expansion: Expansion, trials: Iterable[RecordedTrial]) -> pd.DataFrame:
    """As much of `record.frames.read_frame` as choosing needs."""
    groups = {c.id: list(c.groups) for c in expansion.configurations}
    rows = [
        (t.run_id, t.config_id, t.seed, t.stage, t.status, groups[t.config_id], t.value)
        for t in trials
    ]
    metric = f"metric.{study.metric.name}"
    columns = ["run_id", "config_id", "seed", "stage", "status", "groups", metric]
    return pd.DataFrame(rows, columns=columns).astype({metric: float})


# -- trials ---------------------------------------------------------------------------------------


def _status_reader(
    study: Study, recorded: Mapping[str, RecordedTrial], *, killed: bool
) -> Callable[[Trial], TrialStatus]:
    """What tells a trial's status, `killed` if no `run` is there to run anything."""

    def status_of(trial: Trial) -> TrialStatus:
        found = recorded.get(trial.name)
        status = found.status if found else Status.PENDING
        if found and trial.stage == "select":
            status = end_of_select(study, stage=found.stage, seed=trial.seed, status=status)
        if status == Status.RUNNING and killed:
            status = Status.INTERRUPTED
        if status == Status.STOPPED and trial.stage == "report":
            status = Status.PENDING  # reported trials are trained to their end
        names = () if found is None else _COMMON
        return TrialStatus(
            name=trial.name,
            stage=trial.stage,
            groups=trial.configuration.groups,
            config_id=trial.configuration.id,
            seed=trial.seed,
            status=status,
            iterations=trial.configuration.settings["iterations"],
            **{name: getattr(found, name) for name in names},
        )

    return status_of


_COMMON = (
    "iteration", "value", "seconds", "decision", "reason", "run_id", "last_ms", "end_ms",
    "active_units",
)  # fmt: skip


def _select_cells(
    study: Study,
    expansion: Expansion,
    chosen: Mapping[str, str | None],
    status_of: Callable[[Trial], TrialStatus],
) -> list[_Cell]:
    if not study.seeds.select:
        return []
    cells = {
        group: _Cell(
            stage="select",
            group=group,
            trials=[],
            num_unnamed=expansion.to_suggest.get(group, 0) * len(study.seeds.select),
            chosen=chosen[group],
        )
        for group in expansion.groups
    }
    for trial in select_trials(study, expansion):
        status = status_of(trial)
        for group in trial.configuration.groups:
            cells[group].trials.append(status)
    return list(cells.values())


def _report_cells(
    study: Study,
    expansion: Expansion,
    chosen: Mapping[str, str | None],
    status_of: Callable[[Trial], TrialStatus],
    *,
    select: Sequence[_Cell],
) -> list[_Cell]:
    """The winners' trials; as long as a group has none, only their number is known."""
    statuses = {
        cell.group: {t.status for t in cell.trials}
        | ({Status.PENDING} if cell.num_unnamed else set())
        for cell in select
    }
    cells = []
    for group, winner in chosen.items():
        seen = statuses.get(group, set())
        decided = winner is not None and seen.isdisjoint(OPEN)
        trials = report_trials(study, expansion, {group: winner}) if winner and decided else ()
        hopeless = winner is None and seen.isdisjoint(OPEN | {Status.STOPPED})
        cells.append(
            _Cell(
                stage="report",
                group=group,
                trials=[status_of(trial) for trial in trials],
                num_unnamed=0 if decided or hopeless else len(study.seeds.report),
                chosen=winner if decided else None,
            )
        )
    return cells


def _unique(cells: Iterable[_Cell]) -> list[TrialStatus]:
    """Each trial once, also when it belongs to several groups."""
    return list({trial.name: trial for cell in cells for trial in cell.trials}.values())


# -- groups ---------------------------------------------------------------------------------------


def _rows(cells: Sequence[_Cell]) -> list[GroupStatus]:
    """One row per group, and one for all of them."""
    rows = [
        GroupStatus(
            stage=cell.stage,
            group=cell.group,
            counts=_counts(cell.trials, cell.num_unnamed),
            best=_mean_of_chosen(cell),
            config_id=cell.chosen,
        )
        for cell in cells
    ]
    total = _counts(_unique(cells), sum(cell.num_unnamed for cell in cells))
    return [*rows, GroupStatus(stage=cells[0].stage, group="", counts=total)]


def _counts(trials: Iterable[TrialStatus], num_unnamed: int) -> dict[Status, int]:
    counts = Counter(trial.status for trial in trials)
    counts[Status.PENDING] += num_unnamed
    return {state: counts[state] for state in STATES}


def _mean_of_chosen(cell: _Cell) -> float | None:
    values = [
        trial.value
        for trial in cell.trials
        if trial.config_id == cell.chosen
        and trial.status == Status.FINISHED
        and trial.value is not None
    ]
    return sum(values) / len(values) if values else None


# -- time -----------------------------------------------------------------------------------------


def _at_once(trials: Iterable[RecordedTrial], *, active: bool | None, now_ms: float) -> float:
    """Trials at work at a time; one that runs has been at work since its last evaluation too."""
    ended, running = [], []
    for trial in trials:
        if trial.last_ms is None:
            continue
        start_ms = trial.last_ms - 1000 * trial.seconds
        if trial.status == Status.RUNNING and active:
            running.append(Span(start_ms, now_ms))
        else:
            ended.append(Span(start_ms, trial.last_ms))
    return concurrency(ended, running)


def _work(
    study: Study, expansion: Expansion, stages: Sequence[Sequence[_Cell]]
) -> list[list[float]] | None:
    """The seconds that each open trial still needs, per stage; None before anything was timed."""
    seconds_each = _seconds_per_iteration(trial for cells in stages for trial in _unique(cells))
    stopping = study.early_terminate is not None
    work: list[list[float]] = []
    for cells in stages:
        usual = _usual_ends(cells) if stopping and cells[0].stage == "select" else {}
        left = [
            (t.groups[0], max(0.0, _expected_end(t, usual) - t.iteration))
            for t in _unique(cells)
            if t.status in OPEN
        ]
        for cell in cells:
            members = expansion.members[cell.group] or expand(study).members[cell.group]
            length = members[0].settings["iterations"]
            left += [(cell.group, usual.get(cell.group, length))] * cell.num_unnamed
        if left and not seconds_each:
            return None
        work.append([n * seconds_each.get(group, seconds_each[""]) for group, n in left])
    return work


def _expected_end(trial: TrialStatus, usual: Mapping[str, float]) -> float:
    """A trial under way has been kept so far; one to come ends where others of its group did."""
    if trial.status != Status.PENDING:
        return trial.iterations
    return usual.get(trial.groups[0], trial.iterations)


def _usual_ends(cells: Sequence[_Cell]) -> dict[str, float]:
    """By group, the mean iteration at which its trials ended so far."""
    ends: dict[str, list[int]] = {}
    for trial in _unique(cells):
        if trial.status in SETTLED:
            ends.setdefault(trial.groups[0], []).append(trial.iteration)
    return {group: sum(iterations) / len(iterations) for group, iterations in ends.items()}


def _seconds_per_iteration(trials: Iterable[TrialStatus]) -> dict[str, float]:
    """By group, and of all trials together under the empty name."""
    sums: dict[str, tuple[float, int]] = {}
    for trial in trials:
        if trial.iteration > 0:
            for group in (trial.groups[0], ""):
                seconds, iterations = sums.get(group, (0.0, 0))
                sums[group] = seconds + trial.seconds, iterations + trial.iteration
    return {group: seconds / iterations for group, (seconds, iterations) in sums.items()}
