"""No two runs of a study at a time, on one machine or on two that share a folder."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from introsearch.errors import ConfigError
from introsearch.execution import lock
from introsearch.execution.lock import is_locked, locked

HOLDER = """
import sys, time
from pathlib import Path
from introsearch.execution import lock
lock.BEAT_S = 0.05
with lock.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.05)
    monkeypatch.setattr(lock, "PATIENCE_S", 0.5)


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def another_machine(folder: Path) -> Iterator[None]:
    """Holds the folder; its lock does not reach this machine, what it writes does."""
    done = threading.Event()
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)

    def write() -> None:
        beat = 1000
        while not done.wait(0.02):
            beat += 1
            os.pwrite(descriptor, f"elsewhere 7 12 {beat}\n".encode(), 0)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.1)
    try:
        yield
    finally:
        done.set()
        thread.join()
        os.close(descriptor)


def assert_refused(folder: Path, *said: str) -> None:
    with pytest.raises(ConfigError) as caught, locked(folder):
        pass
    for words in said:
        assert words in str(caught.value)


def test_a_folder_is_held_and_let_go(tmp_path: Path) -> None:
    assert is_locked(tmp_path / "study") is None
    with locked(tmp_path / "study"):
        assert is_locked(tmp_path / "study") is True
        assert_refused(tmp_path / "study", str(os.getpid()), "--name")
        first = (tmp_path / "study" / "lock").read_text()
        time.sleep(0.3)
        assert (tmp_path / "study" / "lock").read_text() != first
    assert is_locked(tmp_path / "study") is False
    with locked(tmp_path / "study"):
        pass


def test_a_killed_holder_of_this_machine_is_known_to_be_dead(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        assert is_locked(tmp_path) is True
        assert_refused(tmp_path, str(process.pid))
        process.kill()
        process.wait()
        assert (tmp_path / "lock").read_text()
        assert is_locked(tmp_path) is False
        with locked(tmp_path):
            pass


def test_a_holder_on_another_machine_is_seen(tmp_path: Path) -> None:
    with another_machine(tmp_path):
        assert is_locked(tmp_path) is True
        assert_refused(tmp_path, "job 12 on elsewhere")


def test_a_dead_holder_on_another_machine_is_outwaited(tmp_path: Path) -> None:
    with another_machine(tmp_path):
        pass
    start = time.monotonic()
    with locked(tmp_path):
        assert time.monotonic() - start >= lock.PATIENCE_S
    assert is_locked(tmp_path) is False


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with another_process(tmp_path):
        monkeypatch.setattr(lock, "PATIENCE_S", 20)
        assert is_locked(tmp_path) is True
        assert_refused(tmp_path, "another process")
    monkeypatch.setattr(lock, "PATIENCE_S", 0.5)
    with locked(tmp_path):
        assert is_locked(tmp_path) is True


def test_of_two_that_began_at_once_one_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = threading.Event()
    monkeypatch.setattr(os, "kill", lambda process, number: killed.set())
    with locked(tmp_path):
        (tmp_path / "lock").write_text("elsewhere 7 - 0\n")
        assert killed.wait(5)
    assert "another run has taken over: elsewhere 7" in capsys.readouterr().err
    assert (tmp_path / "lock").read_text() == "elsewhere 7 - 0\n"
