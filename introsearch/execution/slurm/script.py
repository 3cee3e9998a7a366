"""The batch script of a study's Slurm job."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from introsearch.cluster.file import DEFAULT_OPTIONS, VALUE, SlurmCluster
from introsearch.errors import ConfigError


def render_script(
    cluster: SlurmCluster, command: Sequence[str], *, name: str, folder: Path, python: str
) -> str:
    """The script that `sbatch` reads.

    Args:
        cluster: what the cluster file says.
        command: the arguments of the `introsearch` that runs the study inside the job.
        name: of the job.
        folder: of the job's log, seen by all nodes.
        python: the interpreter on the nodes.
    """
    options = {**DEFAULT_OPTIONS, "job-name": name, **cluster.sbatch}
    if "no-requeue" in options or options["requeue"] is False:
        options |= {"requeue": False, "no-requeue": True}
    options |= {
        "output": f"{str(folder).replace('%', '%%')}/%j.log",
        "signal": f"B:USR1@{cluster.signal_before_end_s}",
    }
    supervisor = [
        *("-m", "introsearch.execution.slurm.job.supervisor"),
        f"--max-requeues={cluster.max_requeues}",
        f"--temp-folder={cluster.temp_folder}",
        f"--folder={folder}",
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {_option(key, value)}" for key, value in options.items() if value is not False),
        "",
        "# Until Python handles it, the signal that announces the end must not kill this shell.",
        "trap '' USR1",
        *(line for command in cluster.setup for line in _setup(command)),
        "",
        f"python={shlex.quote(python)}",
        'if ! "$python" -c "import introsearch, ray"; then',
        '  echo "error: $python on $(hostname) has no introsearch: name the environment of the '
        'nodes under environment: or setup: in the cluster file"',
        "  exit 2",
        "fi",
        "# Submitted again, the script is told how often it has started before.",
        f'exec "$python" {shlex.join(supervisor)} --earlier="${{1:-0}}" -- \\',
        f"  {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"


def python_of(cluster: SlurmCluster) -> str:
    """The interpreter on the nodes."""
    if cluster.environment is None:
        return sys.executable
    return str(Path(cluster.environment) / "bin" / "python")


def job_script(cluster: SlurmCluster, command: Sequence[str], *, name: str, folder: Path) -> str:
    """The batch script of a study.

    Args:
        cluster: where it runs.
        command: the arguments of the `introsearch` that runs it.
        name: of the study.
        folder: of the study.

    Raises:
        ConfigError: the folder's path cannot stand in a batch script's options.
    """
    where = folder.resolve() / "slurm"
    if not re.fullmatch(VALUE, str(where)):
        raise ConfigError(
            f"Slurm cannot write its log into {str(where)!r}",
            key="--runs-dir",
            hint="a path without quotes, \\ $ ` ; # and line breaks",
        )
    return render_script(cluster, command, name=name, folder=where, python=python_of(cluster))


def _setup(command: str) -> list[str]:
    """A command of the cluster file, and what follows if it fails."""
    words = shlex.quote(f"error: setup: fails in the cluster file: {command}")
    return [command, f"[ $? = 0 ] || {{ echo {words}; exit 2; }}"]


def _option(key: str, value: str | int | bool) -> str:
    return f"--{key}" if value is True else f'--{key}="{value}"'
