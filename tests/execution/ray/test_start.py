"""A Ray that does not start ends a run with one message."""

import os
import subprocess
import sys

import pytest

STUDY = """\
name: small
trainer: vae
metric: {name: hist_kl_paper}
groups: [dataset]
seeds: {select: [], report: [0]}
parameters: {dataset: rings, iterations: 2}
"""


@pytest.mark.slow
def test_ray_without_room_for_its_sockets(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    folder = tmp_path / ("long" * 30)
    done = subprocess.run(
        [sys.executable, "-m", "introsearch", "run", "study.yaml"],
        cwd=tmp_path,
        env=os.environ | {"RAY_TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "error: Ray did not start on this machine: " in done.stderr
    assert "RAY_TMPDIR names another folder" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
