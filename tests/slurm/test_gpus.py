"""GPUs that Slurm gives to a job are shared out as the study says, as many to a trial."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from introsearch.commands.options import EXIT_DONE
from tests.slurm.conftest import FakeSlurm
from tests.test_end_to_end import STUDY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# Two GPUs, asked for together, on two nodes: each is for two trials at a time. That makes four,
# though there are CPUs for eight.
NUM_NODES, NUM_TOGETHER = 2, 4
CLUSTER = "type: slurm\nsbatch: {nodes: 2, cpus-per-task: 4, gpus: 2, mem: 4G}\n"
# The metric notes where it is computed, and waits until that many have done so, and for more. The
# first that has waited notes who is there.
MODULE = f"""
import os, time
from contextlib import suppress
from pathlib import Path
from introsearch.trial import kept

kept.gpu_is_usable = lambda: True  # what Slurm takes for GPUs are none


def share(view, generator):
    folder = Path(__file__).parent
    seen = folder / "seen"
    name = "-".join(os.environ[v] for v in ("SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES"))
    (seen / f"{{name}}-{{os.getpid()}}").touch()
    end = time.monotonic() + 60
    while len(list(seen.iterdir())) < {NUM_TOGETHER} and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2)
    with suppress(FileExistsError), (folder / "first").open("x") as file:
        file.write("\\n".join(path.name for path in seen.iterdir()))
    return view.prior.sample(1, generator).mean()
"""


def test_fractions_of_gpus(slurm: FakeSlurm, tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    (tmp_path / "shares.py").write_text(MODULE)
    (tmp_path / "c.yaml").write_text(CLUSTER)
    study = STUDY[: STUDY.index("early_terminate")]
    for old, new in (
        ("[0.1, 0.2, 0.5]", "[0.1, 0.2, 0.3, 0.4, 0.5]"),
        ("report: [1, 2]", "report: [1]"),
        ("iterations: 60", "iterations: 20"),
        ("  ip: {prior: mog, components: 2, intro_prior: true}\n", ""),
        ("hist_kl_paper}", "'shares:share', goal: minimize}"),
        ("groups: [variant]", "groups: [variant]\nresources: {cpus: 1, gpus: 0.5}"),
    ):
        assert old in study
        study = study.replace(old, new)
    (tmp_path / "tiny.yaml").write_text(study + "evaluate_every: 20\n")
    command = [sys.executable, "-m", "introsearch", "run", "tiny.yaml", "--cluster", "c.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert "No GPU" not in done.stdout
    seen = (tmp_path / "first").read_text().split()
    assert sorted(name.rpartition("-")[0] for name in seen) == [
        f"{node}-0" for node in slurm.nodes for _ in range(2)
    ]
