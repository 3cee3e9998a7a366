"""Slurm's commands: sbatch, scontrol, sinfo."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from introsearch.cluster.file import RESERVED
from introsearch.errors import ClusterError

PATIENCE_S = 120  # Slurm's commands wait for a busy controller themselves
# Of sbatch's options, where they are not called as the option is.
VARIABLES = {"array": "ARRAY_INX", "mem": "MEM_PER_NODE", "time": "TIMELIMIT"}


def submit(script: Path, *arguments: str) -> str:
    """The id of the job that a batch script becomes.

    Raises:
        ClusterError: with sbatch's own words.
    """
    environment = _environment_for(script.read_text())
    done = _call("sbatch", "--parsable", str(script), *arguments, environment=environment)
    ids = re.findall(r"^(\d+)(?:;.*)?$", done.stdout, re.M)  # some sites' sbatch says more
    if done.returncode or not ids:
        lines = (done.stderr or done.stdout).strip().splitlines()
        words = [line for line in lines if "--help" not in line and "submission failed" not in line]
        text = "; ".join(words or lines) or "sbatch refused the job"
        raise ClusterError(re.sub(r"sbatch: (error: )?", "", text))
    return str(ids[-1])


def job_fields(job: str) -> dict[str, str] | None:
    """What Slurm says of a job, e.g. `JobState`; empty if it does not answer now.

    Returns:
        None if Slurm does not know the job, or not any more.
    """
    done = _call("scontrol", "--oneliner", "show", "job", job)
    if done.returncode:
        return None if "Invalid job id" in done.stderr else {}
    return dict(re.findall(r"(\w+)=(\S*)", done.stdout))


def generic_resources(job: str) -> list[tuple[str, str]]:
    """Lists of a job's nodes, and what each of these nodes gives to it, e.g. ``gpu:2(IDX:0-1)``."""
    done = _call("scontrol", "--details", "--oneliner", "show", "job", job)
    return re.findall(r" Nodes=(\S+) CPU_IDs=\S+ Mem=\S+ GRES=(\S+)", done.stdout)


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


def needs_value(option: str) -> bool:
    """Whether sbatch would take what follows an option for its value."""
    return re.search(rf"--{re.escape(option)}=", _call("sbatch", "--help").stdout) is not None


def _environment_for(script: str) -> dict[str, str]:
    """This process's environment, without what would override the options of a batch script.

    Where this process belongs to a job, say an interactive one, the new job would also take for its
    own what that one has been given.
    """
    options = {*re.findall(r"^#SBATCH --([a-z0-9-]+)", script, re.M), *RESERVED, "no-requeue"}
    names = {f"SBATCH_{VARIABLES.get(o, o.upper().replace('-', '_'))}" for o in options}
    return {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not (name in names or name.startswith(("SLURM_", "SLURMD_")))
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
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"there is no {words[0]} on the path")
