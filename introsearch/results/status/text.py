"""Shows where a study stands: a table on a terminal, the same as plain text elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from introsearch.results.status.model import STATES, GroupStatus, StudyStatus, TrialStatus
from introsearch.statuses import ENDED, Status
from introsearch.wording import count, duration

_NUM_LATEST = 5
WIDE = 10_000
_WRAPPED = ("group", "why")  # on a narrow terminal
_ALWAYS_SHOWN = (Status.FINISHED, Status.PENDING)
_STYLES = {
    Status.FINISHED: "green",
    Status.RUNNING: "cyan",
    Status.DIVERGED: "yellow",
    Status.FAILED: "red",
    Status.INTERRUPTED: "yellow",
    Status.PENDING: "dim",
}


def show_status(
    status: StudyStatus, *, all_trials: bool = False, console: Console | None = None
) -> None:
    """Print where a study stands.

    Args:
        status: what to show.
        all_trials: list every trial too.
        console: where to; standard output unless given.
    """
    console = console or Console(highlight=False)
    if console.is_terminal:
        _print_all(console, status, all_trials=all_trials)
        return
    console.width = WIDE  # lines of a file are never broken
    with console.capture() as captured:
        _print_all(console, status, all_trials=all_trials)
    for line in captured.get().splitlines():
        print(line.rstrip(), file=console.file)


def _print_all(console: Console, status: StudyStatus, *, all_trials: bool) -> None:
    console.print(Text(_headline(status), style="bold"))
    for remark in _remarks(status):
        console.print(Text(remark))
    console.print()
    table = _group_table(status)
    if _width(console, table) > console.width:
        table = _group_table(status, narrow=True)
    console.print(table)
    decisions, failures = status.decisions(), status.failures()
    if decisions:
        console.print("\nLast decisions", style="bold")
        console.print(_latest_table([(t, t.decision) for t in decisions[:_NUM_LATEST]]))
    if failures:
        console.print("\nDiverged or failed last", style="bold")
        console.print(_latest_table([(t, t.reason) for t in failures[:_NUM_LATEST]]))
    if all_trials:
        console.print("\nTrials", style="bold")
        table = _trial_table(status)
        if _width(console, table) <= console.width:
            console.print(table)
        else:
            console.print(_trial_table(status, narrow=True))
            console.print("a wider terminal, or a file, shows why each ended too", style="dim")


def _width(console: Console, table: Table) -> int:
    """What a table would take if no line of it was broken."""
    return Measurement.get(console, console.options.update(width=WIDE), table).maximum


def _headline(status: StudyStatus) -> str:
    words = {
        Status.RUNNING: "running",
        Status.FINISHED: "finished",
        Status.FAILED: "ended, but trials failed or a group has no winner",
        Status.INTERRUPTED: "interrupted; the same `introsearch run` continues it",
    }
    text = f"{status.study} ({status.goal} {status.metric}): {words[status.state]}"
    if status.active is None and status.state == Status.RUNNING:
        text += ", as far as the record says"
    return text


def _remarks(status: StudyStatus) -> list[str]:
    counts = [row.counts for row in status.groups if not row.group]
    total = sum(sum(c.values()) for c in counts)
    ended = sum(c[state] for c in counts for state in ENDED)
    parts = [f"{ended:,} of {total:,} trials ended"]
    if status.last_ms is not None:
        ago = max(0.0, time.time() - status.last_ms / 1000)
        parts.append(f"last evaluation {duration(ago)} ago")
    if status.eta_seconds:
        left = "to go" if status.state == Status.RUNNING else "of work left"
        parts.append(f"about {duration(status.eta_seconds)} {left}, {status.at_once:.1f} at a time")
    if status.evaluation_share is not None:
        parts.append(f"evaluations take {status.evaluation_share:.0%} of the time")
    lines = [", ".join(parts)]
    if collapsed := len(status.collapsed()):
        lines.append(
            f"{count(collapsed, 'trial')} {_have(collapsed)} collapsed: a latent without an active "
            "unit"
        )
    if others := status.num_others:
        lines.append(
            f"{count(others, 'more recorded trial')} {_have(others)} settings that the study does "
            "not have any more"
        )
    return lines


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _new_table(*columns: str, right: Sequence[str] = (), gap: int = 2) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=name not in _WRAPPED,
            min_width=8 if name in _WRAPPED else None,
        )
    return table


def _group_table(status: StudyStatus, *, narrow: bool = False) -> Table:
    states = [
        state
        for state in STATES
        if state in _ALWAYS_SHOWN or any(row.counts[state] for row in status.groups)
    ]
    right = (*states, "best")
    last = () if narrow else ("configuration",)
    table = _new_table("stage", "group", *right, *last, right=right, gap=1 if narrow else 2)
    several = len({row.group for row in status.groups}) > 2
    stage = ""
    for row in status.groups:
        if row.group or several:
            _add_row(
                table,
                row.stage if row.stage != stage else "",
                row.group or Text("all", style="bold"),
                *(_count(row, state) for state in states),
                _value(row.best),
                *(() if narrow else (row.config_id or "",)),
            )
            stage = row.stage
    return table


def _add_row(table: Table, *cells: str | Text) -> None:
    """Brackets are text, not markup."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _count(row: GroupStatus, state: Status) -> Text:
    number = row.counts[state]
    return Text(f"{number:,}" if number else "", style=_STYLES.get(state, ""))


def _latest_table(trials: Sequence[tuple[TrialStatus, str]]) -> Table:
    """Trials and what is said of them."""
    table = _new_table("when", "trial", "group", "outcome", "why")
    for trial, why in trials:
        _add_row(
            table,
            _when(trial.end_ms),
            trial.name,
            " + ".join(trial.groups),
            _state(trial),
            why,
        )
    return table


def _trial_table(status: StudyStatus, *, narrow: bool = False) -> Table:
    value = "value" if narrow else status.metric
    last = () if narrow else ("why",)
    table = _new_table(
        "trial", "stage", "group", "seed", "status", "iteration", value, *last,
        right=("seed", "iteration", value),
    )  # fmt: skip
    for trial in status.trials:
        _add_row(
            table,
            trial.name,
            trial.stage,
            " + ".join(trial.groups),
            str(trial.seed),
            _state(trial),
            f"{trial.iteration:,}" if trial.iteration else "",
            _value(trial.value),
            *(() if narrow else (_why(trial),)),
        )
    return table


def _why(trial: TrialStatus) -> str:
    collapse = "collapsed" if trial.has_collapsed else ""
    return "; ".join(filter(None, (collapse, trial.reason or trial.decision)))


def _state(trial: TrialStatus) -> Text:
    return Text(trial.status, style=_STYLES.get(trial.status, ""))


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _when(time_ms: int | None) -> str:
    if time_ms is None:
        return ""
    ended = time.localtime(time_ms / 1000)
    today = ended[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", ended)
