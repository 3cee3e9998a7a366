"""Who holds a file or folder keeps others waiting, and leaves no trace."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from introsearch.files import alone

HOLDER = """
import sys, time
from pathlib import Path
from introsearch.files import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_others_wait_until_a_holder_is_gone_even_if_it_is_killed(tmp_path: Path) -> None:
    entered = threading.Event()

    def enter() -> None:
        with alone(tmp_path):
            entered.set()

    waiting = threading.Thread(target=enter, daemon=True)
    with another_process(tmp_path) as holder:
        waiting.start()
        assert not entered.wait(0.5)
        holder.kill()
        assert entered.wait(30)
    waiting.join()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_can_be_held(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    folder.mkdir(mode=0o500)
    with alone(folder), alone(tmp_path):
        assert not list(folder.iterdir())


def test_an_error_inside_is_not_hidden_and_lets_go(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), alone(tmp_path):
        (tmp_path / "missing").read_bytes()
    with alone(tmp_path):
        pass


def test_without_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    with another_process(tmp_path):
        monkeypatch.setattr(fcntl, "flock", refuse)
        with alone(tmp_path):
            pass
