"""Where a run comes from: versions, machine, command and commit."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from introsearch.record.address import without_password


@functools.cache
def provenance() -> dict[str, str]:
    """What is needed to trace and repeat a run, as tags."""
    packages = ("introsearch", "torch", "ray", "mlflow")
    tags = {f"introsearch.version.{name}": version(name) for name in packages}
    tags["introsearch.version.python"] = platform.python_version()
    tags["introsearch.host"] = platform.node()
    tags["introsearch.command"] = _command()
    tags["mlflow.user"] = os.environ.get("USER", "")
    commit = _git_commit()
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _command() -> str:
    return without_password(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))[:500]


def _git_commit() -> str:
    """The commit of the checkout that holds the code, or the environment it is installed in."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
