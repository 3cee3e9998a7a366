"""This machine, and whether it has room for a trial."""

from __future__ import annotations

import os
from collections.abc import Callable

from introsearch.errors import ConfigError
from introsearch.study.sections import Resources


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


def without_gpus(resources: Resources, *, notify: Callable[[str], None]) -> Resources:
    """What a trial gets where torch can use no GPU: it trains on the CPU, and the user is told."""
    notify("No GPU that torch can use here: trials train on the CPU.")
    return resources.changed(gpus=0.0)
