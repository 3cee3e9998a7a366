"""Where data sets lie, and what was computed from them; imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "INTROSEARCH_DATA"
_DEFAULT = "data"
CACHE_VARIABLE = "INTROSEARCH_CACHE"
_DEFAULT_CACHE = "~/.cache/introsearch"


def data_folder() -> Path:
    """The folder named by the environment variable INTROSEARCH_DATA, else ``data`` in this one."""
    return Path(os.environ.get(VARIABLE) or _DEFAULT).expanduser().absolute()


def set_data_folder(folder: str | Path) -> None:
    """Use another folder in this process and those that it starts."""
    os.environ[VARIABLE] = str(Path(folder).expanduser().absolute())


def cache_folder() -> Path:
    """Where what was computed from data is kept: INTROSEARCH_CACHE, else below the home folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or _DEFAULT_CACHE).expanduser().absolute()
