"""What the user sees while a study runs: a live table on a terminal, a line a minute in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from introsearch.statuses import ENDED, Status
from introsearch.wording import duration

if TYPE_CHECKING:
    from introsearch.execution.conductor import Conductor

LOG_EVERY_S = 60.0
REDRAW_EVERY_S = 0.5
MAX_REASONS = 5  # of failures, told as they happen
COLUMNS = (Status.FINISHED, Status.STOPPED, Status.RUNNING, Status.DIVERGED, Status.FAILED)


class Progress:
    """Shows one stage at a time. Use as a context around the whole study.

    Args:
        groups: labels, in table order.
        metric: the study's metric.
        goal: ``minimize`` or ``maximize``.
        console: where to print; a terminal gets the live table.
    """

    def __init__(
        self, groups: Sequence[str], *, metric: str, goal: str, console: Console | None = None
    ) -> None:
        self.groups = groups
        self.metric = metric
        self.goal = goal
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.live: Live | None = None
        self.stage = ""
        self.stage_start = self.last_shown = time.monotonic()
        self.ended_before = 0
        self.reasons: set[str] = set()

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, markup=False)

    def start_stage(self, name: str, conductor: Conductor) -> None:
        """Announce a stage: how much there is to do, and how much is done already."""
        self.stage, self.stage_start = name, time.monotonic()
        self.ended_before = self._ended(conductor.counts())
        total = self._total(conductor)
        pending = len(conductor.pending()) + conductor.to_come()
        done = f", {total - pending} already recorded" if pending < total else ""
        self.say(f"{name}: {total:,} trials{done}")
        if self.live:  # without waiting for a first report
            self.last_shown = -math.inf
        self.update(conductor)

    def update(self, conductor: Conductor) -> None:
        """Show the present state, if it is time to, and at once why a trial failed."""
        self._tell_failures(conductor)
        now = time.monotonic()
        if now - self.last_shown < (REDRAW_EVERY_S if self.live else LOG_EVERY_S):
            return
        self.last_shown = now
        if self.live:
            self.live.update(self._table(conductor), refresh=True)
        else:
            self.say(self._line(conductor))

    def _tell_failures(self, conductor: Conductor) -> None:
        for name, reason in conductor.failures.items():
            if reason not in self.reasons and len(self.reasons) < MAX_REASONS:
                self.reasons.add(reason)
                self.say(f"{name} failed: {reason}")

    def _line(self, conductor: Conductor) -> str:
        counts = conductor.counts()
        parts = [f"{counts[s]:,} {s}" for s in COLUMNS if counts[s]]
        ended = self._ended(counts)
        minutes = (time.monotonic() - self.stage_start) / 60
        return (
            f"{self.stage} {ended:,}/{self._total(conductor):,} after {minutes:.0f} min: "
            f"{', '.join(parts) or 'starting'}{self._eta(conductor, ended)}"
        )

    def _table(self, conductor: Conductor) -> Table:
        """A line per group; states that no trial is in are left out, to fit a narrow terminal."""
        counts = conductor.counts()
        eta = self._eta(conductor, self._ended(counts))
        states = [s for s in COLUMNS if counts[s] or s in (Status.FINISHED, Status.RUNNING)]
        title = f"{self.stage} by {self.metric}{eta}"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("group")
        for name in (*states, Status.PENDING, "best"):
            table.add_column(name, justify="right", no_wrap=True)
        for group in self.groups:
            table.add_row(group, *self._cells(conductor, group, states))
        return table

    def _cells(self, conductor: Conductor, group: str, states: Sequence[Status]) -> list[str]:
        counts = conductor.counts(group)
        to_come = counts.total() - sum(counts[s] for s in COLUMNS) + conductor.to_come(group)
        best = self._best(conductor, group)
        numbers = [*(counts[s] for s in states), to_come]
        return [*(f"{n:,}" if n else "" for n in numbers), "" if best is None else f"{best:.4g}"]

    def _best(self, conductor: Conductor, group: str) -> float | None:
        finished = (
            conductor.recorder.trials[trial.name].metrics.get(self.metric, math.nan)
            for trial in conductor.members(group)
            if conductor.status(trial.name) == Status.FINISHED
        )
        values = [value for value in finished if math.isfinite(value)]
        if not values:
            return None
        return min(values) if self.goal == "minimize" else max(values)

    def _eta(self, conductor: Conductor, ended: int) -> str:
        newly, left = ended - self.ended_before, self._total(conductor) - ended
        if newly <= 0 or left == 0:
            return ""
        seconds = (time.monotonic() - self.stage_start) / newly * left
        return f", about {duration(seconds)} to go"

    @staticmethod
    def _total(conductor: Conductor) -> int:
        return len(conductor.trials) + conductor.to_come()

    @staticmethod
    def _ended(counts: Mapping[Status, int]) -> int:
        return sum(counts.get(s, 0) for s in ENDED)
