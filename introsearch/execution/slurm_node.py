"""Runs Ray on one node of a Slurm job, in the foreground: what `srun` starts there."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

OBJECT_STORE_BYTES = 200_000_000  # trials pass evaluations, not tensors
VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
END = signal.SIGUSR2  # srun hands it on; SIGTERM it turns into SIGKILL
STARTED = "Ray runtime started"  # what `ray start` says once its node can be used


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ray start` until it ends or is told to, then remove its temporary folder."""
    parser = argparse.ArgumentParser(prog="slurm_node")
    parser.add_argument("--temp-folder", type=Path, required=True)
    parser.add_argument("--num-cpus", type=int, required=True)
    parser.add_argument("ray", nargs="*", help="more arguments of `ray start`")
    options = parser.parse_args(arguments)
    options.temp_folder.mkdir(mode=0o700)  # nobody else's: a folder that is there is an error
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
        *("--disable-usage-stats", "--log-style=record", "--log-color=false"),
        f"--temp-dir={options.temp_folder}",
        f"--num-cpus={options.num_cpus}",
        f"--num-gpus={num_gpus()}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        *options.ray,
    ]
    try:
        child = subprocess.Popen(command)
        for number in (END, signal.SIGTERM):
            signal.signal(number, lambda number, frame: child.terminate())
        return child.wait()
    finally:
        shutil.rmtree(options.temp_folder, ignore_errors=True)


def num_gpus() -> int:
    """GPUs that Slurm gave to this step; others may be visible, and are not ours."""
    for name in VISIBLE:
        if devices := os.environ.get(name):
            return 0 if devices == "NoDevFiles" else len(devices.split(","))
    return 0


if __name__ == "__main__":
    sys.exit(main())
