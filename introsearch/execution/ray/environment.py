"""Environment variables that make Ray private and quiet. To be set before Ray is imported."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from introsearch.cluster.file import LocalCluster, RayCluster
from introsearch.errors import ConfigError

# Not all of them are documented; these names are those of Ray 2.60.
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
}


def prepare_environment(cluster: LocalCluster | RayCluster) -> None:
    """Set what is not set yet. Other users of a machine cannot reach a Ray that we start."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    if isinstance(cluster, LocalCluster):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        return
    if cluster.token_file is not None:
        os.environ["RAY_AUTH_TOKEN_PATH"] = cluster.token_file
        os.environ.pop("RAY_AUTH_TOKEN", None)  # it would come first
        os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_MODE", "token" if _has_token() else "disabled")


def _has_token() -> bool:
    """As Ray looks for one; it warns if it is left to itself."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()


def check_cluster(cluster: RayCluster) -> None:
    """Whether something answers there; Ray itself would try for half a minute.

    Raises:
        ConfigError: nothing does, or its token cannot be read.
    """
    if cluster.token_file is not None and not os.access(cluster.token_file, os.R_OK):
        raise ConfigError(
            f"{cluster.token_file} cannot be read",
            key="token_file",
            hint="name the file that holds Ray's authentication token",
        )
    host, _, port = cluster.address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise ConfigError(
            f"no Ray answers at {cluster.address}: {error.strerror or error}",
            key="address",
            hint="start one there with `ray start --head`, or leave --cluster out to use this "
            "machine",
        ) from error
