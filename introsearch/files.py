"""Where the files of a study's trials lie, below the folder of all runs, and safe ways to write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_runs_folder = Path("runs")


def checkpoint_path(folder: str | Path, trial: str) -> Path:
    """A trial's only checkpoint."""
    return Path(folder) / "checkpoints" / f"{trial}.pt"


def runs_folder() -> Path:
    """The folder of all studies' folders: ``runs`` in this one, unless `set_runs_folder` says."""
    return _runs_folder.absolute()


def set_runs_folder(folder: str | Path) -> None:
    """Search finished trials in another folder from now on, in this process."""
    global _runs_folder
    _runs_folder = Path(folder)


def kept_checkpoints(trial: str) -> list[Path]:
    """Checkpoints of a trial in all studies of the runs folder; each is of the same training."""
    return sorted(runs_folder().glob(f"*/checkpoints/{trial}.pt"))


def figure_path(folder: str | Path, trial: str, figure: str, *, iteration: int) -> Path:
    """One of a trial's figures as it was at an iteration."""
    return Path(folder) / "figures" / trial / f"{figure}_{iteration:07d}.png"


def figure_paths(folder: str | Path, trial: str, *, up_to: int) -> list[Path]:
    """A trial's figures, without those drawn after an iteration."""
    paths = (Path(folder) / "figures" / trial).glob("*.png")
    return sorted(p for p in paths if int(p.stem.rpartition("_")[2]) <= up_to)


def log_path(folder: str | Path, trial: str) -> Path:
    """What a trial's code has printed and logged."""
    return Path(folder) / "logs" / f"{trial}.log"


def traceback_path(folder: str | Path, trial: str) -> Path:
    """What a crashed trial said last."""
    return Path(folder) / "failures" / f"{trial}.txt"


def write_atomically(path: Path, data: bytes) -> None:
    """A reader, at any time and after any crash, sees the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for other processes that hold the same file or folder, and then hold it meanwhile.

    The kernel's lock is on `path` itself, which need not be writable: no other file is left, and
    a killed process lets go. On a file system without locks nobody waits.
    """
    from filelock import lock_descriptor  # which takes a while to import

    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            lock_descriptor(descriptor)
        yield
    finally:
        os.close(descriptor)
