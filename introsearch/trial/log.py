"""Keeps what a trial's own code prints and logs, in a file of the trial."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

_TIME = "%Y-%m-%d %H:%M:%S"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OUTPUT, _ERRORS = 1, 2  # file descriptors

Note = Callable[[str], None]


class TrialLog:
    """A file that standard output, standard error and logging go to while it is `listening`.

    Args:
        path: of the file, which is added to.
        echo: all is seen where it would be without the file too, and a debugger can ask. If not,
            it goes to the file alone, with what libraries and child processes write.
    """

    def __init__(self, path: Path, *, echo: bool) -> None:
        self._path = path
        self._echo = echo

    @contextmanager
    def listening(self) -> Iterator[Note]:
        """Keep what is written in here, and what is raised; yields what writes a line of ours."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        number = os.open(self._path, flags, 0o666)
        with (
            open(number, "w", buffering=1, errors="backslashreplace") as file,
            ExitStack() as stack,
        ):
            stack.enter_context(_logging_to(file, shown_on=sys.stderr if self._echo else None))
            stack.enter_context(_copied_to(file) if self._echo else _moved_to(file))
            try:
                yield lambda text: print(time.strftime(_TIME), text, file=file)
            except Exception:
                file.write(traceback.format_exc())
                raise


@contextmanager
def _moved_to(file: TextIO) -> Iterator[None]:
    """All that this process and its children write goes to the file alone."""
    kept = {number: os.dup(number) for number in (_OUTPUT, _ERRORS)}
    for number in kept:
        os.dup2(file.fileno(), number)
    try:
        with redirect_stdout(file), redirect_stderr(file):
            yield
    finally:
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)


@contextmanager
def _copied_to(file: TextIO) -> Iterator[None]:
    """What Python code of this process writes goes to the file too."""
    output, errors = _Both(sys.stdout, file), _Both(sys.stderr, file)
    with redirect_stdout(output), redirect_stderr(errors):
        yield


class _Both:
    """A stream whose text is copied to a file; all else is the stream's."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self._stream = stream
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _logging_to(file: TextIO, *, shown_on: TextIO | None) -> Iterator[None]:
    """Records of level INFO and above go to the file, unless the user's own levels are set.

    Args:
        file: the file.
        shown_on: where warnings go too, if the user has not said where records go.
    """
    root = logging.getLogger()
    level, handlers = root.level, [_handler(file, logging.NOTSET)]
    if not root.handlers:
        root.setLevel(min(level, logging.INFO))
        handlers += [_handler(shown_on, logging.WARNING)] if shown_on else []
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        root.setLevel(level)


def _handler(stream: TextIO, level: int) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
    return handler
