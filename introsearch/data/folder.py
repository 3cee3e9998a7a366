"""Where downloaded data sets lie; imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "INTROSEARCH_DATA"
DEFAULT = "data"


def data_folder() -> Path:
    """The folder named by the environment variable INTROSEARCH_DATA, else ``data`` in this one."""
    return Path(os.environ.get(VARIABLE) or DEFAULT).expanduser().absolute()


def set_data_folder(folder: str | Path) -> None:
    """Use another folder in this process and those that it starts."""
    os.environ[VARIABLE] = str(Path(folder).expanduser().absolute())
