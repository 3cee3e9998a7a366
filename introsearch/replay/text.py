"""Says how a replayed trial compares with its record, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from introsearch.replay.repeat import TOLERANCE, Difference, Replay
from introsearch.statuses import Status
from introsearch.wording import count, duration

_NUM_SHOWN = 5


@contextmanager
def replay_progress(console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A progress line on standard error, if that is a terminal.

    Yields:
        What to call with the iterations done and their number.
    """
    console = console or Console(stderr=True)
    columns = (
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("iterations"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, last: bar.update(task, completed=done, total=last)


def replay_text(result: Replay) -> str:
    """How the replayed trial compares, in a few lines."""
    lines = [
        f"{result.trial} ({result.title}), {result.status} at iteration {result.iteration:,}",
        f"replayed in {duration(result.seconds)}: {count(result.num_values, 'value')} of "
        f"{count(result.num_evaluations, 'evaluation')} compared",
        _verdict(result),
    ]
    if not result.matches:
        first = result.beyond_tolerance
        lines += [f"  {_in_words(d)}" for d in first[:_NUM_SHOWN]]
        if len(first) > _NUM_SHOWN:
            lines.append(f"  and {len(first) - _NUM_SHOWN:,} more; {_largest(first)}")
    if not result.exact:
        lines += _explanation(result.changes)
    return "\n".join(lines)


def _verdict(result: Replay) -> str:
    if result.exact:
        if result.status == Status.DIVERGED:
            return "It matches exactly, and diverges at the same iteration."
        crash = (
            " as far as it was recorded, before it crashed"
            if result.status == Status.FAILED
            else ""
        )
        return f"It matches exactly{crash}."
    if result.ended_otherwise:
        return f"It differs: {result.ended_otherwise}."
    if result.matches:
        number = count(len(result.differences), "value")
        worst = _largest(result.differences)
        return f"It matches within {TOLERANCE:g}: {number} not exactly the same; {worst}."
    return f"It differs from iteration {result.beyond_tolerance[0].iteration:,} on:"


def _largest(differences: Sequence[Difference]) -> str:
    worst = max(differences, key=lambda d: d.relative)
    return f"the largest difference is {_in_words(worst)}"


def _in_words(difference: Difference) -> str:
    d = difference
    where = f"{d.name} at {d.iteration:,}: recorded {d.recorded!r}"
    if d.replayed is None:
        return f"{where}, not measured now"
    return f"{where}, now {d.replayed!r} (relative {d.relative:.1e})"


def _explanation(changes: Sequence[str]) -> list[str]:
    if not changes:
        return ["Versions, commit, host and settings are as recorded: was the code changed since?"]
    return ["Not as it was when the trial was recorded:", *(f"  {change}" for change in changes)]
