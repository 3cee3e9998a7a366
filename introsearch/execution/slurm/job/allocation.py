"""What Slurm gave to the job that this process belongs to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from introsearch.execution.slurm import client


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """A job and its nodes.

    Attributes:
        job: its id.
        nodes: names of its nodes, that of the batch script first.
        cpus: number of CPUs on each.
        gpus: number of GPUs on each.
        restarts: how often it has started before.
    """

    job: str
    nodes: tuple[str, ...]
    cpus: tuple[int, ...]
    gpus: tuple[int, ...]
    restarts: int


def read_allocation() -> Allocation:
    """From the variables that Slurm sets in a batch script."""
    environment = os.environ
    names = client.hostnames(environment["SLURM_JOB_NODELIST"])
    cpus = dict(zip(names, cpu_counts(environment["SLURM_JOB_CPUS_PER_NODE"]), strict=True))
    nodes = sorted(names, key=lambda name: name != environment["SLURMD_NODENAME"])
    job = environment["SLURM_JOB_ID"]
    gpus = {
        name: gpu_count(text)
        for some, text in client.generic_resources(job)
        for name in client.hostnames(some)
    }
    return Allocation(
        job=job,
        nodes=tuple(nodes),
        cpus=tuple(cpus[name] for name in nodes),
        gpus=tuple(gpus.get(name, 0) for name in nodes),
        restarts=int(environment.get("SLURM_RESTART_COUNT", "0")),
    )


def cpu_counts(text: str) -> list[int]:
    """Numbers of CPUs as Slurm writes them, e.g. ``8(x2),4``."""
    counts: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(number)] * int(times or 1)
    return counts


def gpu_count(text: str) -> int:
    """The number of GPUs among generic resources, e.g. ``gpu:a100:2(IDX:0-1),shard:4(0,0)``."""
    return sum(int(number) for number in re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", text))
