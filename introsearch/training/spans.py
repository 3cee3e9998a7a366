"""Named stretches of a trainer's time, for whoever measures it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

_NOTHING: AbstractContextManager[None] = nullcontext()
_clocks: list[SpanClock] = []  # the last one runs


def span(name: str) -> AbstractContextManager[None]:
    """Count the time inside to `name`, and not to a span around it, if somebody measures."""
    return _clocks[-1].span(name) if _clocks else _NOTHING


class SpanClock:
    """Adds up the seconds spent in spans, each less those inside it.

    Args:
        synchronise: waits until the device has done all that it was told.

    Attributes:
        seconds: by name of span.
    """

    def __init__(self, synchronise: Callable[[], None]) -> None:
        self.synchronise = synchronise
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Listen to all spans; without a clock that does, they do nothing."""
        _clocks.append(self)
        try:
            yield
        finally:
            _clocks.pop()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """As the function of that name."""
        self._turn()
        self._running.append(name)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _turn(self) -> None:
        """Book the time since the last turn on the innermost span."""
        self.synchronise()
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now
