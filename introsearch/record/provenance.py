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
from introsearch.record.tags import Origin

_PACKAGES = ("introsearch", "torch", "ray", "mlflow")


@functools.cache
def origin() -> Origin:
    """What is needed to trace and repeat what this process runs."""
    versions = {name: version(name) for name in _PACKAGES}
    return Origin(
        versions=versions | {"python": platform.python_version()},
        host=platform.node(),
        command=without_password(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))[:500],
        user=os.environ.get("USER", ""),
        commit=_git_commit(),
    )


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
