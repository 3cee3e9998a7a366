"""Addresses of MLflow stores; kept apart from MLflow itself, which is slow to import."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlparse

from introsearch.errors import ConfigError

_LEGAL_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")


def default_uri(runs_folder: Path) -> str:
    """The SQLite store shared by all studies below `runs_folder`."""
    return f"sqlite:///{runs_folder.resolve() / 'mlflow.db'}"


def without_password(text: str) -> str:
    """`text` with the user and password of every address in it replaced by stars."""
    return re.sub(r"(://)[^/\s]+@", r"\1***@", text)


def without_user(uri: str) -> str:
    """A server's address as one opens it in a browser, without user and password."""
    return re.sub("//[^/@]*@", "//", uri)


def check_uri(uri: str, *, folder_will_exist: Path) -> None:
    """Refuse what is no address of a store, before anything is written.

    Args:
        uri: e.g. ``sqlite:////absolute/mlflow.db`` or ``http://host:port``.
        folder_will_exist: a folder that may be missing now.

    Raises:
        ConfigError: with the legal forms.
    """
    parts = urlparse(uri)
    scheme = parts.scheme.partition("+")[0]
    place = parts.path if scheme == "sqlite" else parts.netloc
    if scheme not in _LEGAL_SCHEMES or place.strip("/") in ("", ":memory:"):
        raise ConfigError(
            f"{without_password(uri)!r} is no address of an MLflow store",
            key="--tracking-uri",
            hint="legal: sqlite:////absolute/path/mlflow.db, postgresql://..., http://host:port",
        )
    if scheme == "sqlite":
        key = "--runs-dir" if uri == default_uri(folder_will_exist) else "--tracking-uri"
        _check_file(sqlite_path(uri), folder_will_exist, key=key)


def existing_uri(runs_folder: Path, tracking_uri: str | None) -> str:
    """The address of a store that is there already.

    Args:
        runs_folder: the folder of all files, with the default store.
        tracking_uri: another store's address.

    Raises:
        ConfigError: there is no such store.
    """
    uri = tracking_uri or default_uri(runs_folder)
    check_uri(uri, folder_will_exist=runs_folder)
    if uri.startswith("sqlite:") and not sqlite_path(uri).exists():
        raise ConfigError(
            f"there is no store at {uri}",
            hint="run a study first (a job of it may still wait), or name the folder with "
            "--runs-dir",
        )
    return uri


def _check_file(path: Path, folder_will_exist: Path, *, key: str) -> None:
    """MLflow itself would try for minutes to open what is no database."""
    folder = path.parent
    problem = hint = ""
    if not folder.is_dir() and folder.resolve() != folder_will_exist.resolve():
        problem = f"there is no folder {folder} for the store"
        hint = "make the folder first, or give another path"
    elif folder.exists() and not folder.is_dir():
        problem, hint = f"{folder} is a file, not a folder", "give another folder"
    elif path.exists() and not (path.is_file() and _is_database(path)):
        problem, hint = f"{path} is no SQLite database", "give another path"
    elif folder.exists() and not path.exists() and not os.access(folder, os.W_OK):
        problem, hint = f"{folder} cannot be written to", "give another path"
    if problem:
        raise ConfigError(problem, key=key, hint=hint)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def sqlite_path(uri: str) -> Path:
    """The file of a ``sqlite:`` address."""
    return Path(uri.partition("///")[2])
