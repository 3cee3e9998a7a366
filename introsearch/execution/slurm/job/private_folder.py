"""Temporary folders that no other user can look into, and that do not stay."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from introsearch.errors import ClusterError

_PREFIX = "introsearch-"
ENOUGH_BYTES = 20 * 2**20  # Ray hangs where it cannot write
LENGTH = len(_PREFIX) + 8  # of their names


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, removed at the end.

    What killed processes of this user have left there is removed first: whoever lives holds a lock
    on the folder itself.

    Raises:
        ClusterError: there cannot be one.
    """
    remove_abandoned(parent)
    hint = "name another folder under temp_folder: in the cluster file"
    try:
        if (free := shutil.disk_usage(parent).free) < ENOUGH_BYTES:
            raise ClusterError(f"{parent} is full ({free / 2**20:.0f} MiB are free)", hint=hint)
        hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))  # with mode 0700
    except OSError as error:
        message = f"no folder can be made in {parent}: {error.strerror}"
        raise ClusterError(message, hint=hint) from error
    descriptor = os.open(hidden, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: nobody will remove it then
            lock_descriptor(descriptor, blocking=False)
        folder = hidden.rename(parent / hidden.name[1:])  # others see it only now, locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def remove_abandoned(parent: Path) -> None:
    """Remove folders of processes of this user that have been killed."""
    for folder in parent.glob(f"{_PREFIX}????????"):
        with suppress(OSError):  # it has gone meanwhile, or there are no locks
            if folder.lstat().st_uid == os.getuid():
                _remove_if_free(folder)


def _remove_if_free(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if lock_descriptor(descriptor, blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
