"""How long a study has still to go, from how long its trials have taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_RECENT = 50  # ended trials that concurrency is judged by: a study may continue on other machines
_OVERHEAD_MS = 60_000  # a shorter gap between trials is their cost, a longer one an interruption


class Span(NamedTuple):
    """When a trial last was at work, in milliseconds since 1970."""

    start_ms: float
    end_ms: float


def concurrency(ended: Sequence[Span], running: Sequence[Span]) -> float:
    """How many trials were at work at a time on average, while the study was; 1 if none has been.

    It is below 1 where trials are so short that starting them takes longer.

    Args:
        ended: of all trials that have ended.
        running: of those at work now.
    """
    spans = sorted([*sorted(ended, key=lambda s: s.end_ms)[-_RECENT:], *running])
    work = sum(s.end_ms - s.start_ms for s in spans)
    busy = 0.0
    until = -float("inf")
    for start, end in spans:
        since = until if start - until < _OVERHEAD_MS else start
        busy += max(0.0, end - since)
        until = max(until, end)
    return work / busy if work > 0 and busy > 0 else 1.0


def remaining_seconds(stages: Iterable[Sequence[float]], *, at_once: float) -> float:
    """Wall time until all is done; a stage begins when the one before it has ended.

    Args:
        stages: the seconds that each open trial still needs, per stage.
        at_once: trials at work at a time.
    """
    return sum(max(sum(work) / at_once, max(work, default=0.0)) for work in stages)
