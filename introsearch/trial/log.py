"""Keeps what a trial's own code prints and logs, in a file of the trial."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

_TIME = "%Y-%m-%d %H:%M:%S"
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", _TIME)
_OUTPUT, _ERRORS = 1, 2  # file descriptors

Note = Callable[[str], None]


class TrialLog:
    """A file that standard output, standard error and logging go to while it is `listening`.

    What the trial's code keeps of them, a stream or a handler of its own, serves ever after. If the
    file cannot be written, the trial goes on without.

    Args:
        path: of the file, which is added to.
        echo: all is seen where it would be without the file too, and a debugger can ask. If not,
            it goes to the file alone, with what libraries and child processes write.
    """

    def __init__(self, path: Path, *, echo: bool) -> None:
        self._path = path
        self._echo = echo
        self._is_refused = False

    @contextmanager
    def listening(self) -> Iterator[Note]:
        """Keep what is written in here, and what is raised; yields what writes a line of ours."""
        with self._opened() as file, ExitStack() as stack:
            stack.enter_context(_copied_to(file) if self._echo else _moved_to(file))
            stack.enter_context(_logging_to(file, echo=self._echo))
            try:
                yield lambda text: _write(file, f"{time.strftime(_TIME)} {text}\n")
            except (Exception, SystemExit):
                _write(file, traceback.format_exc())
                raise

    def _opened(self) -> TextIO:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(self._path, flags, 0o666)
        except OSError as error:
            if not self._is_refused:  # said once, not at every evaluation
                print(f"there will be no {self._path}: {error.strerror}", file=sys.stderr)
            self._is_refused = True
            number = os.open(os.devnull, os.O_WRONLY)
        return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _write(file: TextIO, text: str) -> None:
    with suppress(OSError):  # a full disk
        file.write(text)


@contextmanager
def _moved_to(file: TextIO) -> Iterator[None]:
    """All that this process and its children write goes to the file alone."""
    kept = {number: os.dup(number) for number in (_OUTPUT, _ERRORS)}
    _flush()
    for number in kept:
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        _flush()
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)


def _flush() -> None:
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__} - {None}:
        with suppress(OSError, ValueError):
            stream.flush()  # type: ignore[union-attr]


@contextmanager
def _copied_to(file: TextIO) -> Iterator[None]:
    """What Python code of this process prints goes to the file too."""
    streams = {"stdout": _Both(sys.stdout), "stderr": _Both(sys.stderr)}
    for name, both in streams.items():
        setattr(sys, name, both)
    before, _Both.file = _Both.file, file
    try:
        yield
    finally:
        _Both.file = before
        for name, both in streams.items():
            if getattr(sys, name) is both:  # and not one that the trial has put there
                setattr(sys, name, both.stream)


class _Both:
    """A stream whose text is copied to the log that listens at the time; all else is the stream's.

    Attributes:
        file: of that log, if one does.
    """

    file: TextIO | None = None

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        file, _Both.file = _Both.file, None  # if the stream is another one of these
        try:
            if file is not None:
                _write(file, text)
            return self.stream.write(text)
        finally:
            _Both.file = file

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def _logging_to(file: TextIO, *, echo: bool) -> Iterator[None]:
    """Records go to the file from level INFO on, and warnings are seen.

    Where nobody has said where they go, that is done by Python's handler of last resort, which
    `logging.basicConfig` does not take for one. Where somebody has, the file is one more place.
    """
    root, before = logging.getLogger(), logging.lastResort
    level, extra = root.level, _Records(file, seen=False)
    logging.lastResort = _Records(file, seen=echo)
    if not root.handlers:
        root.setLevel(min(level, logging.INFO))
    elif echo:  # else they write to it already
        root.addHandler(extra)
    ours = root.level
    try:
        yield
    finally:
        logging.lastResort = before
        root.removeHandler(extra)
        if root.level == ours:  # and not one that the trial has set
            root.setLevel(level)


class _Records(logging.Handler):
    """Writes records to a file, and warnings where Python would, if they are to be seen."""

    def __init__(self, file: TextIO, *, seen: bool) -> None:
        super().__init__()
        self._file = file
        self._shown = logging.lastResort if seen else None
        self.setFormatter(_FORMAT)

    def emit(self, record: logging.LogRecord) -> None:
        _write(self._file, f"{self.format(record)}\n")
        stream = sys.stderr
        if self._shown is not None and record.levelno >= logging.WARNING:
            seen: Any = stream.stream if isinstance(stream, _Both) else stream
            print(self.format(record), file=seen)
