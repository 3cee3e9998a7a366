"""Starts Ray for a study, or connects to one that is there."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import ray

from introsearch.cluster.file import LocalCluster, RayCluster
from introsearch.errors import ClusterError, ConfigError
from introsearch.execution.machine import local_cpus, without_gpus
from introsearch.execution.ray.machines import keep_messages
from introsearch.execution.signals import children_apart, signals_not_lost
from introsearch.study.sections import Resources
from introsearch.trial.kept import gpu_is_usable


def start_ray(
    cluster: LocalCluster | RayCluster,
    resources: Resources,
    *,
    notify: Callable[[str], None],
    messages: Path,
) -> Resources:
    """Start a private Ray on this machine, or connect to the cluster's.

    Args:
        cluster: where trials run.
        resources: of one trial.
        notify: is told what the user must know.
        messages: a file for all else that Ray has to say.

    Returns:
        What a trial really gets: without a GPU that torch can use, trials train on the CPU.

    Raises:
        ConfigError: a trial wants more than any machine has, and would wait for ever; or the
            cluster's Ray lets nobody in.
        ClusterError: Ray does not start here.
    """
    keep_messages(messages)
    _init_ray(cluster)
    for name in ("ray", "ray.tune"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if resources.gpus and not _gpus_are_usable(cluster, resources.gpus):
        resources = without_gpus(resources, notify=notify)
    for name, wanted in (("GPU", resources.gpus), ("CPU", resources.cpus)):
        most = _most(name)
        if wanted > most:
            raise ConfigError(
                f"a trial wants {wanted:g} {name}s and no machine here has more than {most:g}",
                key=f"resources.{name.lower()}s",
                hint=f"lower it, in the file or with --set resources.{name.lower()}s=1",
            )
    return resources


def _init_ray(cluster: LocalCluster | RayCluster) -> None:
    local = isinstance(cluster, LocalCluster)
    try:
        with signals_not_lost(), children_apart() if local else nullcontext():
            ray.init(
                address="local" if isinstance(cluster, LocalCluster) else cluster.address,
                num_cpus=local_cpus() if local else None,
                include_dashboard=False if local else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except Exception as error:  # Ray raises any kind, a bare one where it waited in vain
        reason = str(error).partition("\n")[0][:200]
        if isinstance(cluster, LocalCluster):
            raise ClusterError(
                f"Ray did not start on this machine: {reason}",
                hint="is the machine overloaded or its disk full? The same command tries again; "
                "RAY_TMPDIR names another folder for Ray's own files (a short path); with "
                "--cluster inline, trials run in this process, without Ray",
            ) from error
        if not isinstance(error, ConnectionError | RuntimeError):
            raise
        raise ConfigError(
            f"the Ray at {cluster.address} lets nobody in: {reason}",
            key="address",
            hint="is its authentication token the one under token_file, does this machine belong "
            "to it, and are the versions of Ray and Python the same?",
        ) from error


def dead_process() -> str | None:
    """The name of a process that the Ray started here cannot do without, and which has died.

    Ray itself waits for a dead one for ever. Of a Ray that was started elsewhere nothing is known.
    """
    # Private, as of Ray 2.60: whatever is public asks the very processes that may have died.
    node = ray._private.worker._global_node
    dead = {name for name, _ in node.dead_processes()} if node is not None else set()
    return min(dead & {"gcs_server", "raylet"}, default=None)


def abandon_ray() -> None:
    """Kill what is left of a Ray of which a part has died, and leave it out at our exit.

    Its own way to end asks the dead part first, for a minute, and then breaks off the process
    (Ray 2.60; ray-project/ray#45570 has its words).
    """
    ray._private.worker._global_node.kill_all_processes(check_alive=False)
    atexit.register(_exit_at_once)  # before what Ray registered earlier


def _exit_at_once() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)  # as for every `ClusterError`


def _most(name: str) -> float:
    """What the best machine has of a resource."""
    return max((n["Resources"].get(name, 0.0) for n in ray.nodes() if n["Alive"]), default=0.0)


def _gpus_are_usable(cluster: LocalCluster | RayCluster, gpus: float) -> bool:
    """Ray counts GPUs that this build of torch cannot use; a cluster's are on other machines."""
    most = _most("GPU")
    if not most or isinstance(cluster, LocalCluster):
        return bool(most) and gpu_is_usable()
    ask = ray.remote(num_cpus=0, num_gpus=min(gpus, most))(gpu_is_usable)
    return bool(ray.get(ask.remote()))
