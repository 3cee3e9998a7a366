"""Environment variables that make Ray private and quiet. To be set before Ray is imported."""

from __future__ import annotations

import os
import secrets

from introsearch.errors import ConfigError
from introsearch.study.model import Resources

VARIABLES = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
}


def local_cpus() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_resources(resources: Resources) -> None:
    """Refuse trials that would wait for ever on this machine.

    Raises:
        ConfigError: one trial needs more cores than there are.
    """
    if resources.cpus > local_cpus():
        raise ConfigError(
            f"a trial wants {resources.cpus:g} CPUs and this machine has {local_cpus()}",
            key="resources.cpus",
            hint="lower it, in the file or with --set resources.cpus=1",
        )


def prepare_environment() -> None:
    """Set what is not set yet; other users of this machine cannot reach a Ray started after."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
