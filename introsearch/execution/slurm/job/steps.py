"""Job steps: what `srun` starts on the nodes of a job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from introsearch.errors import ClusterError
from introsearch.execution.slurm.job.allocation import Allocation

# Options of the job that srun would take for those of every step. Memory: --mem says all of it, and
# two that contradict each other, one of them from an outer job, end srun.
_NOT_FOR_STEPS = (
    *("CPUS_PER_TASK", "GPUS_PER_TASK", "NTASKS", "NPROCS", "NTASKS_PER_NODE", "NTASKS_PER_CORE"),
    *("NTASKS_PER_SOCKET", "NTASKS_PER_GPU", "TRES_PER_TASK", "DISTRIBUTION", "EXACT", "WAIT"),
    *("GPUS", "MEM_PER_CPU", "MEM_PER_GPU", "MEM_PER_NODE"),
)
# All of the job's memory, and what `setup:` has set even where the job was submitted without.
_ANYWHERE = ("--mem=0", "--export=ALL", "--mpi=none")
POLL_S = 0.2
_CHECK = """\
test -d "$1" || { echo "error: $SLURMD_NODENAME does not see the folder $1"; exit 1; }
test -r "$3" || { echo "error: $SLURMD_NODENAME does not see the study file $3"; exit 1; }
test -x "$2" || { echo "error: $SLURMD_NODENAME has no $2"; exit 1; }
"$2" -c "import introsearch, ray" || { echo "error: $2 on $SLURMD_NODENAME has no introsearch"; \
exit 1; }
"""


def check_nodes(
    allocation: Allocation, folder: Path, *, study: str, is_over: Callable[[], bool]
) -> None:
    """Each node must see the environment, the folder and the study file.

    Args:
        allocation: of the job.
        folder: of the job's files.
        study: the file, beside which there may be modules.
        is_over: whether the job has been asked to end; a node may hang on a file system.

    Raises:
        ClusterError: with what each says that does not.
    """
    count = str(len(allocation.nodes))
    step = subprocess.Popen(
        [
            *("srun", "--overlap", "--nodes", count, "--ntasks", count, *_ANYWHERE),
            *("bash", "-c", _CHECK, "bash", str(folder), sys.executable, study),
        ],
        env=step_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output = None
    while output is None:
        with suppress(subprocess.TimeoutExpired):
            output = step.communicate(timeout=POLL_S)
        if is_over():
            step.kill()
    if step.returncode:
        lines = [line for line in output[0].splitlines() if line.startswith("error: ")]
        words = [line.removeprefix("error: ") for line in lines] or output[1].splitlines()[-3:]
        raise ClusterError(
            "; ".join(words) or "srun fails",
            hint="name a folder that all nodes see under shared_folder:, and the environment of "
            "the nodes under environment: or setup:, in the cluster file; keep the study file, "
            "too, where all nodes see it",
        )


def step_command(node: str, *, gpus: int) -> list[str]:
    """One task on one node that may use all that the job has there.

    Args:
        node: its name.
        gpus: that the job has there. Left to itself, Slurm refuses a step on one of the nodes of a
            job with ``--gpus``, and gives one of a job with ``--gpus-per-task`` a task's share.
    """
    return [
        *("srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={node}", *_ANYWHERE),
        *("--cpu-bind=none", "--kill-on-bad-exit=0"),
        *([f"--gpus={gpus}"] if gpus else []),
    ]


def step_environment() -> dict[str, str]:
    """This process's, without what would give a step less than the job has."""
    dropped = {f"{prefix}_{name}" for name in _NOT_FOR_STEPS for prefix in ("SLURM", "SRUN")}
    return {name: value for name, value in os.environ.items() if name not in dropped}
