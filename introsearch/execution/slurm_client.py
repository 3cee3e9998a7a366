"""Slurm's commands: sbatch, scontrol, sinfo."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from introsearch.errors import ClusterError

PATIENCE_S = 120  # Slurm's commands wait for a busy controller themselves


def submit(script: Path, *arguments: str) -> str:
    """The id of the job that a batch script becomes.

    Raises:
        ClusterError: with sbatch's own words.
    """
    done = _call("sbatch", "--parsable", str(script), *arguments, environment=_outside_jobs())
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        words = [line for line in lines if "--help" not in line and "submission failed" not in line]
        raise ClusterError("; ".join(words or lines) or "sbatch refused the job")
    return done.stdout.strip().partition(";")[0]


def job_fields(job: str) -> dict[str, str] | None:
    """What Slurm says of a job, e.g. `JobState`; empty if it does not answer now.

    Returns:
        None if Slurm does not know the job, or not any more.
    """
    done = _call("scontrol", "--oneliner", "show", "job", job)
    if done.returncode:
        return None if "Invalid job id" in done.stderr else {}
    return dict(re.findall(r"(\w+)=(\S*)", done.stdout))


def requeue(job: str) -> bool:
    """Have a job start again later under the same id; False where that is not allowed."""
    return _call("scontrol", "requeue", job).returncode == 0


def cancel(job: str) -> None:
    """End a job."""
    _call("scancel", job)


def hostnames(node_list: str) -> list[str]:
    """The names in a list like ``node[1-3],other``."""
    return _call("scontrol", "show", "hostnames", node_list).stdout.split()


def node_address(node: str) -> str:
    """The address under which Slurm reaches a node."""
    done = _call("scontrol", "--oneliner", "show", "node", node)
    found = re.search(r"NodeAddr=(\S+)", done.stdout)
    return found[1] if found else node


def partitions() -> list[str]:
    """The names of the cluster's partitions."""
    return sorted(set(_call("sinfo", "--noheader", "--format=%R").stdout.split()))


def option_names() -> list[str]:
    """The long names of the options that this version of sbatch has."""
    return sorted(set(re.findall(r"--([a-z][a-z0-9-]+)", _call("sbatch", "--help").stdout)))


def _outside_jobs() -> dict[str, str]:
    """This process's environment, without what a job would take for what it has been given.

    Where this process belongs to a job, say an interactive one, the new job would inherit that.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "SLURMD_"))
    }


def _call(
    *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = words
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"{words[0]} does not answer")
