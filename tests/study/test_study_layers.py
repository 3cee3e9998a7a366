"""The study layer stays light: planning a study must not import the machinery that runs it."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys
import introsearch.planning.plan, introsearch.study.file.loader, introsearch.study.stopping.ladder
heavy = {"torch", "ray", "mlflow", "numpy", "pandas", "matplotlib", "optuna"} & set(sys.modules)
sys.exit(f"imports {sorted(heavy)}" if heavy else 0)
"""


def test_no_heavy_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
