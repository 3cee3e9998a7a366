"""Opening an MLflow store: whether it answers, and no chatter."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeAlias, TypeVar
from urllib.parse import urlparse

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from introsearch.errors import ConfigError, RecordError
from introsearch.files import alone
from introsearch.record.address import sqlite_path, without_password

P = ParamSpec("P")
T = TypeVar("T")

Store: TypeAlias = MlflowClient
"""An open store, as those hold it who know nothing of MLflow."""

# Whether a server answers should be known in seconds. Later, MLflow's own patience (minutes) is
# right: a study should survive a server that is restarted.
_PROBE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}

_OUTAGES = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_REFUSALS = ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED")


def open_store(uri: str) -> MlflowClient:
    """A client whose store was reached; a missing SQLite file and its folder are created.

    Args:
        uri: a legal address (`record.address.check_uri`).

    Raises:
        ConfigError: nothing answers there, its folder cannot be made, or the server does not accept
            the user.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for logger in ("alembic", "mlflow"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    try:
        with _alone(uri), _environment(_PROBE):
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        if isinstance(error, MlflowException) and error.error_code in _REFUSALS:
            raise _access_error(uri, error) from error
        reason = without_password(str(error).partition("\n")[0][:200])
        raise ConfigError(
            f"the MLflow store {without_password(uri)} does not answer: {reason}",
            key="--tracking-uri",
            hint=_hint(reason),
        ) from error
    return client


@contextmanager
def opening(uri: str) -> Iterator[None]:
    """Say in words what the store answers while a study is opened, before any trial starts.

    Raises:
        ConfigError: the server does not accept the user, or not what the user wants to do.
        RecordError: anything else.
    """
    try:
        yield
    except MlflowException as error:
        raise _in_words(uri, error) from error
    except RecordError as error:
        if isinstance(error.__cause__, MlflowException):
            raise _in_words(uri, error.__cause__) from error
        raise


def store_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Whatever MLflow raises in the function becomes a RecordError: nobody else knows MLflow."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except MlflowException as error:
            raise _record_error(error) from error

    return wrapped


def _in_words(uri: str, error: MlflowException) -> ConfigError | RecordError:
    return _access_error(uri, error) if error.error_code in _REFUSALS else _record_error(error)


def _record_error(error: MlflowException) -> RecordError:
    """An outage, which passes, told apart from a refusal, which does not."""
    reason = without_password(str(error).partition("\n")[0][:200])
    if error.error_code in _OUTAGES:
        return RecordError(
            f"the MLflow store does not answer any more: {reason}",
            hint="nothing is lost: once it is back, the same command continues",
        )
    return RecordError(
        f"the MLflow store refused what was asked of it ({error.error_code}): {reason}",
        hint="nothing is lost: once the reason is gone, the same command continues",
    )


def _access_error(uri: str, error: MlflowException) -> ConfigError:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or urlparse(uri).username
    who = f"the user {user!r}" if user else "anyone without a name and a password"
    variables = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    if error.error_code == "PERMISSION_DENIED":
        message = f"does not let {who} do what is needed"
        hint = f"ask for permission, or set other {variables}"
    else:
        message = f"does not accept {who}" + (" with this password" if user else "")
        hint = f"set {variables} in the environment"
    return ConfigError(
        f"the MLflow server {without_password(uri)} {message}", key="--tracking-uri", hint=hint
    )


def _hint(reason: str) -> str:
    if "database schema" in reason:  # words of MLflow 3.17, which has no error code for it
        return (
            "another version of MLflow wrote it: use that version, or make a copy of the store and "
            "bring it up to date with `mlflow db upgrade URI`"
        )
    if "database is locked" in reason:
        return "another program holds it: try again, or end that program"
    return "start the server, or leave --tracking-uri out to use a local SQLite file"


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Keep others from opening the same SQLite store: two that create it at once break it."""
    if not uri.startswith("sqlite:"):
        yield
        return
    folder = sqlite_path(uri).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {folder} for the record: {error.strerror}",
            hint="give another folder with --runs-dir, or another store with --tracking-uri",
        ) from error
    with alone(folder):
        yield


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
