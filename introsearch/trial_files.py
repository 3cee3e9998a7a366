"""Where the files of a study's trials lie, below the study's folder."""

from __future__ import annotations

import os
from pathlib import Path


def checkpoint_path(folder: str | Path, trial: str) -> Path:
    """A trial's only checkpoint."""
    return Path(folder) / "checkpoints" / f"{trial}.pt"


def figure_path(folder: str | Path, trial: str, figure: str) -> Path:
    """The latest version of one of a trial's figures."""
    return Path(folder) / "figures" / trial / f"{figure}.png"


def figure_paths(folder: str | Path, trial: str) -> list[Path]:
    """All figures that a trial has."""
    return sorted((Path(folder) / "figures" / trial).glob("*.png"))


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
