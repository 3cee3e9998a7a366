"""What sbatch does not accept, at the key of the cluster file that it is about."""

from __future__ import annotations

import re
import subprocess

from introsearch.cluster.file import RESERVED, SlurmCluster
from introsearch.errors import ConfigError, nearest_hint
from introsearch.execution.slurm import client


def check_values(cluster: SlurmCluster) -> None:
    """Whether options can stand there without a value, and the setup is shell.

    Raises:
        ConfigError: one cannot, and sbatch would take the next option for its value; or what
            follows in the batch script would be taken for a part of a command.
    """
    for name, value in cluster.sbatch.items():
        if value is True and client.needs_value(name):
            hint = "`sbatch --help` says which"
            raise cluster.error("needs a value, not true", f"sbatch.{name}", hint=hint)
    for i, command in enumerate(cluster.setup):
        words = ["bash", "-n", "-c", command]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            reason = done.stderr.strip().partition("\n")[0].removeprefix("bash: -c: ")
            hint = "each item is a whole command; check its quotes and brackets"
            raise cluster.error(f"is not shell: {reason}", f"setup.{i}", hint=hint)


def refusal(cluster: SlurmCluster, message: str) -> ConfigError:
    """sbatch's words at the key that they are about."""
    unknown = re.search(r"unrecognized option '--([a-z0-9-]+)", message)
    if unknown:
        legal = [name for name in client.option_names() if name not in RESERVED]
        close = nearest_hint(unknown[1], legal).partition("? ")
        hint = f"{close[0]}? " if close[1] else ""
        return cluster.error(
            "sbatch has no such option",
            f"sbatch.{unknown[1]}",
            hint=f"{hint}`sbatch --help` lists all",
        )
    if "--signal" in message:
        hint = "sbatch takes at most 65535 seconds"
        return cluster.error("is no time for sbatch", "signal_before_end_s", hint=hint)
    about = [key for key in cluster.sbatch if re.search(rf"\b{re.escape(key)}\b", message, re.I)]
    key = f"sbatch.{about[0]}" if about else "sbatch"
    hint = "`sbatch` refused the job; nothing was submitted"
    if "doesn't allow an argument" in message:
        hint = "write true if you want it, else remove it"
    if about == ["partition"] and (names := client.partitions()):
        hint = nearest_hint(cluster.sbatch["partition"], names)
    return cluster.error(message, key, hint=hint)
