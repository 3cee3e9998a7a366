"""The signals with which batch systems announce that time is over act like Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

# SIGTERM: `kill`, `scancel`, a time limit. SIGUSR1: Slurm's --signal, ahead of the time limit.
ENDING = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def ending_signals_interrupt() -> Iterator[None]:
    """Whoever asks a run to end gets what Ctrl-C does, once: asking again changes nothing.

    A second signal would break off the recording of what the first one interrupted, and Slurm
    sends several. Ctrl-C, once more, does break it off.
    """
    received = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if received:
            return
        received = True
        on_ctrl_c: Any = signal.getsignal(signal.SIGINT)
        if callable(on_ctrl_c):  # Ray Tune sets its own while it trains
            on_ctrl_c(number, frame)
        else:  # a shell's background jobs ignore Ctrl-C
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        # If the process is about to end, Python would give it up to a second signal.
        _set(dict.fromkeys(ENDING, signal.SIG_IGN) if received else before)


@contextmanager
def kept_handlers() -> Iterator[None]:
    """Afterwards signals are handled as before, whatever Ray has set meanwhile."""
    handlers = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        _set(handlers)


def _set(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
