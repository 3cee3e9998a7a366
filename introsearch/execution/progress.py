"""What the user sees while a study runs: a live table on a terminal, a line a minute in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from introsearch.results.status.model import GroupStatus, StudyStatus
from introsearch.statuses import ENDED, Status
from introsearch.study.model import Stage
from introsearch.wording import count, duration

if TYPE_CHECKING:
    from introsearch.execution.conductor import Conductor

_LOG_EVERY_S = 60.0
_REDRAW_EVERY_S = 0.5
_LARGEST_SHARE = 0.05  # of the driver's time that looking may take
_MAX_REASONS = 5  # of failures, told as they happen
_ALWAYS_SHOWN = (Status.FINISHED, Status.RUNNING, Status.PENDING)
_ORDER = (
    Status.FINISHED, Status.STOPPED, Status.RUNNING, Status.DIVERGED, Status.FAILED,
    Status.INTERRUPTED, Status.PENDING,
)  # fmt: skip

Look = Callable[[], StudyStatus]


class Progress:
    """Shows one stage at a time. Use as a context around the whole study.

    What it shows is where the study stands by its record, as `introsearch status` does.

    Args:
        console: where to print; a terminal gets the live table.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._stage: Stage = "select"
        self._title = ""
        self._look: Look | None = None
        self._stage_start = self._next_look = time.monotonic()
        self._reasons: set[str] = set()

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, markup=False)

    def start_stage(
        self, stage: Stage, conductor: Conductor, *, look: Look, again: bool = False
    ) -> None:
        """Announce a stage: how much there is to do, and how much is done already.

        Args:
            stage: the stage.
            conductor: of the stage.
            again: the stage goes on with trials that it had stopped.
            look: finds out where the study stands.
        """
        self._stage, self._stage_start, self._look = stage, time.monotonic(), look
        self._title = f"{stage}, continued" if again else stage
        total, left = conductor.num_trials, len(conductor.pending()) + conductor.to_come()
        done = f", {total - left} already recorded" if left < total else ""
        self.say(f"{self._title}: {count(total, 'trial')}{done}")
        # A terminal does not wait for a first report; a log has just got its line.
        self._next_look = time.monotonic() if self._live else time.monotonic() + _LOG_EVERY_S
        self.update(conductor)

    def update(self, conductor: Conductor) -> None:
        """Show the present state, if it is time to, and at once why a trial failed."""
        self._tell_failures(conductor)
        start = time.monotonic()
        if start < self._next_look or self._look is None:
            return
        status = self._look()
        if self._live:
            self._live.update(_table(self._title, _rows(self._stage, status), status), refresh=True)
        else:
            minutes = (start - self._stage_start) / 60
            counts = _rows(self._stage, status)[-1].counts
            self.say(f"{_line(self._title, counts, minutes=minutes)}{_time_to_go(status)}")
        cost = time.monotonic() - start
        self._next_look = start + max(
            _REDRAW_EVERY_S if self._live else _LOG_EVERY_S, cost / _LARGEST_SHARE
        )

    def _tell_failures(self, conductor: Conductor) -> None:
        for name, reason in conductor.failures.items():
            if reason not in self._reasons and len(self._reasons) < _MAX_REASONS:
                self._reasons.add(reason)
                self.say(f"{name} failed: {reason}")


def _rows(stage: Stage, status: StudyStatus) -> list[GroupStatus]:
    """The groups of the stage, and all of them together as the last."""
    return [row for row in status.groups if row.stage == stage]


def _line(title: str, counts: Mapping[Status, int], *, minutes: float) -> str:
    ended = sum(counts[s] for s in ENDED)
    shown = [f"{counts[s]:,} {s}" for s in _ORDER if counts[s] and s != Status.PENDING]
    return (
        f"{title} {ended:,}/{sum(counts.values()):,} after {minutes:.0f} min: "
        f"{', '.join(shown) or 'starting'}"
    )


def _table(title: str, rows: Sequence[GroupStatus], status: StudyStatus) -> Table:
    """A line per group; states that no trial is in are left out, to fit a narrow terminal."""
    *groups, total = rows
    states = [s for s in _ORDER if total.counts[s] or s in _ALWAYS_SHOWN]
    title = f"{title} by {status.metric}{_time_to_go(status)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("group")
    for name in (*states, "best"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in groups:
        table.add_row(row.group, *_cells(row, states))
    return table


def _cells(row: GroupStatus, states: Sequence[Status]) -> list[str]:
    numbers = [f"{row.counts[s]:,}" if row.counts[s] else "" for s in states]
    return [*numbers, "" if row.best is None else f"{row.best:.4g}"]


def _time_to_go(status: StudyStatus) -> str:
    eta = status.eta_seconds
    return "" if not eta or not math.isfinite(eta) else f", about {duration(eta)} to go"
