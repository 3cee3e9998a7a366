"""Addresses of MLflow stores; kept apart from MLflow itself, which is slow to import."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

from introsearch.errors import ConfigError

LEGAL_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")


def default_uri(runs_folder: Path) -> str:
    """The SQLite store shared by all studies below `runs_folder`."""
    return f"sqlite:///{runs_folder.resolve() / 'mlflow.db'}"


def check_uri(uri: str, *, folder_will_exist: Path) -> None:
    """Refuse what is no address of a store, before anything is written.

    Args:
        uri: e.g. ``sqlite:////absolute/mlflow.db`` or ``http://host:port``.
        folder_will_exist: a folder that may be missing now.

    Raises:
        ConfigError: with the legal forms.
    """
    scheme = urlparse(uri).scheme.partition("+")[0]
    if scheme not in LEGAL_SCHEMES:
        raise ConfigError(
            f"{uri!r} is no address of an MLflow store",
            key="--tracking-uri",
            hint="legal: sqlite:////absolute/path/mlflow.db, postgresql://..., http://host:port",
        )
    if scheme == "sqlite":
        folder = sqlite_path(uri).parent
        if not folder.is_dir() and folder.resolve() != folder_will_exist.resolve():
            raise ConfigError(
                f"there is no folder {folder} for the store",
                key="--tracking-uri",
                hint="make the folder first, or give another path",
            )


def sqlite_path(uri: str) -> Path:
    """The file of a ``sqlite:`` address."""
    return Path(uri.partition("///")[2])


def sqlite_exists(uri: str) -> bool:
    """False for a SQLite store whose file is not there yet; True for any other store."""
    return not uri.startswith("sqlite:") or sqlite_path(uri).exists()
