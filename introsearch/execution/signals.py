"""The signals with which batch systems announce the end act like Ctrl-C, and spare Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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


class Interrupts:
    """Within this context Ctrl-C waits while it is `held`, so that records are written whole.

    So does what acts like it (`ending_signals_interrupt`). A second Ctrl-C does not wait.
    """

    def __init__(self) -> None:
        self._is_held = self._came = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # others get no signals
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing interrupts what is done in here; what came meanwhile does so at its end.

        Raises:
            KeyboardInterrupt: at the end.
        """
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._came:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._before == signal.SIG_IGN:
            return  # a shell's background jobs ignore Ctrl-C
        if self._is_held and not self._came:
            self._came = True
        else:
            raise KeyboardInterrupt


@contextmanager
def signals_not_lost() -> Iterator[None]:
    """Around Ray, which sets handlers of its own, and may leave them or lose what they raise.

    Afterwards signals are handled as before.

    Raises:
        KeyboardInterrupt: at the end, if a signal came meanwhile, whatever Ray has made of it.
    """
    handlers = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGINT)}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)  # sees whatever comes
    try:
        yield
    finally:
        _set(handlers)
        signal.set_wakeup_fd(before)
        os.close(writer)
        with open(reader, "rb") as numbers:
            came = not handlers.keys().isdisjoint(numbers.read())
        if came:
            raise KeyboardInterrupt from None


@contextmanager
def children_apart() -> Iterator[None]:
    """Processes started in here are in a process group of their own.

    Whoever ends a run may signal its whole group: `timeout`, a shell's `kill %1`, batch systems.
    Ray must outlive that, or nothing can stop its trials and the run waits for it in vain. A
    terminal's foreground job stays as it is: else Ctrl-C would not reach it meanwhile.
    """
    group = os.getpgrp()
    if group == os.getpid() and _in_foreground():
        yield
        return
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, process_group=0) as place:  # ends with us
        try:
            with suppress(PermissionError):  # a session's leader stays where it is
                os.setpgid(0, place.pid)
            yield
        finally:
            with suppress(OSError):  # all others of our group have ended meanwhile
                os.setpgid(0, group)
            place.kill()


def _in_foreground() -> bool:
    try:
        with open("/dev/tty") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _set(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
