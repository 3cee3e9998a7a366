"""Whether a `run` works on a study's folder, and that no two do."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from introsearch.errors import ConfigError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a study's folder, so that no second `run` works on it. Released even by kill -9.

    Raises:
        ConfigError: another `run` holds it, or there cannot be such a folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error}", key="--runs-dir") from error
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"the study in {folder} is being run by another process",
                hint="wait for it, or give this run another --name",
            ) from error
        yield


def is_locked(folder: Path) -> bool | None:
    """Whether a `run` holds a study's folder; None if the folder cannot be seen from here."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go at once
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
