"""How much of a cluster a Slurm job gets, as far as its cluster file says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from introsearch.cluster.file import SlurmCluster

Options = Mapping[str, str | int | bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSize:
    """What a job gets at least.

    Attributes:
        cpus: cores on all nodes together.
        gpus: GPUs on all nodes together.
    """

    cpus: int
    gpus: int


def job_size(cluster: SlurmCluster) -> JobSize | None:
    """The size of the cluster's jobs.

    Returns:
        None if it is up to the site: whole nodes, say, of which the file gives the number alone.
    """
    options = cluster.sbatch
    if "cpus-per-task" not in options and not {"ntasks", "ntasks-per-node"} & options.keys():
        return None
    nodes = _least(options, "nodes") or 1
    tasks = _least(options, "ntasks") or nodes * (_least(options, "ntasks-per-node") or 1)
    gpus = (
        _gpus(options, "gpus")
        or nodes * _gpus(options, "gpus-per-node")
        or nodes * _gpus(options, "gres")
        or tasks * _gpus(options, "gpus-per-task")
    )
    return JobSize(cpus=tasks * (_least(options, "cpus-per-task") or 1), gpus=gpus)


def _least(options: Options, name: str) -> int:
    """The first number of an option like ``4`` or ``2-8``; 0 without one."""
    found = re.match(r"\d+", str(options.get(name, "")))
    return int(found[0]) if found else 0


def _gpus(options: Options, name: str) -> int:
    """Their number in an option like ``4``, ``a100:4``, or, for gres, ``gpu:a100:4,other:1``."""
    total = 0
    for part in str(options.get(name, "")).split(","):
        words = part.partition("(")[0].split(":")
        if name == "gres" and words.pop(0) != "gpu":
            continue
        if words != [""]:
            total += int(words[-1]) if words and words[-1].isdecimal() else 1
    return total
