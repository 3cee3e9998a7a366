"""Whether a `run` works on a study's folder, and that no two do, on whatever machine they are.

On one machine the kernel's lock of a file says so, and lets go even after kill -9. File systems
that several machines share do not all pass that lock on: NFS mostly, Lustre and BeeGFS if told to.
Hence the holder also writes into the file every few seconds, and who finds the file written by
another machine first looks whether it still changes.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from introsearch.errors import ConfigError

BEAT_S = 5.0
PATIENCE_S = 30.0  # a holder that writes nothing for so long is dead
_FRESH_S = 90.0  # as PATIENCE_S, by clocks of two machines and a cache between them


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a study's folder, so that no second `run` works on it.

    Raises:
        ConfigError: another `run` holds it, or there cannot be such a folder.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error}", key="--runs-dir") from error
    try:
        supported = _lock(descriptor, fcntl.LOCK_EX)
        if supported is False or _is_written_elsewhere(path, supported=supported is True):
            raise _held(folder, _read(path))
        with _beating(path, descriptor):
            yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool | None:
    """Whether a `run` holds a study's folder; None if the folder cannot be seen from here."""
    path = folder / "lock"
    try:
        with path.open("rb") as file:
            free = _lock(file.fileno(), fcntl.LOCK_SH)  # let go at once
        words, age_s = _read(path), time.time() - path.stat().st_mtime
    except OSError:
        return None
    if free is False:
        return True
    return bool(words) and not (free and words[0] == _machine()) and age_s < _FRESH_S


def check_free(folder: Path) -> None:
    """Refuse to go on if a `run` holds a study's folder.

    Raises:
        ConfigError: one does.
    """
    if is_locked(folder):
        raise _held(folder, _read(folder / "lock"))


def _lock(descriptor: int, kind: int) -> bool | None:
    """Whether the kernel's lock was free; None if this file system has none."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_written_elsewhere(path: Path, *, supported: bool) -> bool:
    """Whether a holder that the kernel's lock does not show is alive."""
    before = _read(path)
    if not before or (supported and before[0] == _machine()):
        return False  # nobody's, or that of a process of this machine that has died
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        time.sleep(BEAT_S / 10)
        if (now := _read(path)) != before:
            return bool(now)
    return False


@contextmanager
def _beating(path: Path, descriptor: int) -> Iterator[None]:
    """Write into the file as long as we hold it, and empty it at the end."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, descriptor, done), daemon=True)
    _write(descriptor, 0)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if _is_ours(_read(path)):
            os.ftruncate(descriptor, 0)


def _beat(path: Path, descriptor: int, done: threading.Event) -> None:
    beat = 0
    while not done.wait(BEAT_S):
        words = _read(path)
        if words and not _is_ours(words):  # two began at the same moment
            print(f"another run has taken over: {' '.join(words[:2])}", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        beat += 1
        _write(descriptor, beat)


def _is_ours(words: list[str]) -> bool:
    return words[:2] == [_machine(), str(os.getpid())]


def _write(descriptor: int, beat: int) -> None:
    job = os.environ.get("SLURM_JOB_ID", "-")
    data = f"{_machine()} {os.getpid()} {job} {beat}\n".encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))
    os.fsync(descriptor)  # other machines see it only then


def _read(path: Path) -> list[str]:
    """Machine, process, Slurm job and a counter; opened anew, so that no cache answers."""
    return path.read_text("utf-8", "replace").split()


def _machine() -> str:
    return socket.gethostname()


def _held(folder: Path, words: list[str]) -> ConfigError:
    machine, process, job = [*words, "", "", ""][:3]
    by = f"job {job} on {machine}" if job not in ("", "-") else "another process"
    if by == "another process" and process:
        by += f" ({process} on {machine})"
    return ConfigError(
        f"the study in {folder} is being run by {by}",
        hint="wait for it, or give this run another --name",
    )
