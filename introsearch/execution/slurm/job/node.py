"""Runs Ray on one node of a Slurm job, in the foreground: what `srun` starts there."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from introsearch.errors import ClusterError
from introsearch.execution.slurm.job.continuation import Continuation, add_options
from introsearch.execution.slurm.job.ports import free_port
from introsearch.execution.slurm.job.private_folder import private_folder
from introsearch.execution.slurm.job.watch import FirstNodeWatch

_OBJECT_STORE_BYTES = 200_000_000  # trials pass evaluations, not tensors
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
END = signal.SIGUSR2  # srun hands it on; SIGTERM it turns into SIGKILL
POLL_S, _LOOK_S = 0.2, 10.0
END_PATIENCE_S = 5.0  # Ray says goodbye to its head, and waits for it even if it has died
# After SIGTERM, which Slurm sends to all nodes of a job at once: the study needs Ray to stop its
# trials and record them, and then says END. Slurm's KillWait is 30 s where a site keeps it.
_SIGTERM_PATIENCE_S = 22.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ray start` until it ends or is told to, then remove its temporary folder."""
    parser = argparse.ArgumentParser(prog="node")
    parser.add_argument("--temp-folder", type=Path, required=True)
    parser.add_argument("--num-cpus", type=int, required=True)
    parser.add_argument("--address", required=True, help="of Ray's head")
    parser.add_argument("--head", action="store_true", help="start it here")
    add_options(parser)
    options = parser.parse_args(arguments)
    watch = None if options.head else FirstNodeWatch(options.address, Continuation.read(options))
    with private_folder(options.temp_folder) as folder:
        place = _head_words(options.address) if options.head else [f"--address={options.address}"]
        return _run([*_ray_start(folder, num_cpus=options.num_cpus), *place], watch)


def _run(command: list[str], watch: FirstNodeWatch | None) -> int:
    """Until Ray ends here, and not on the first node too, or somebody says so."""
    ends: list[float] = []  # when somebody wants it to
    for number, patience in ((END, 0.0), (signal.SIGTERM, _SIGTERM_PATIENCE_S)):
        signal.signal(number, lambda *_, after=patience: ends.append(time.monotonic() + after))
    child, next_look = subprocess.Popen(command), time.monotonic() + _LOOK_S
    while time.monotonic() < min(ends, default=math.inf):
        if child.poll() is not None and (watch is None or watch.sees_head()):
            break
        if watch is not None and time.monotonic() > next_look:
            next_look = time.monotonic() + _LOOK_S
            if not watch.sees_head() and watch.is_in_charge():
                watch.go_on()
                break
        time.sleep(POLL_S)
    child.terminate()
    try:
        return child.wait(END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _ray_start(folder: Path, *, num_cpus: int) -> list[str]:
    """The command that starts Ray on a node; its files are in `folder`.

    Ray lets everybody write into its own folder, hence one below. Ports that Ray does not choose
    freely by itself could be those of another Ray on the same machine.
    """
    return [
        # The module behind Ray 2.60's command `ray`, which need not be on the PATH of a node.
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
        *("--disable-usage-stats", "--log-style=record", "--log-color=false"),
        *("--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"),
        f"--node-name={os.environ['SLURMD_NODENAME']}",
        f"--temp-dir={folder / 'r'}",
        f"--num-cpus={num_cpus}",
        f"--num-gpus={num_gpus()}",
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
    ]


def _head_words(address: str) -> list[str]:
    """More of it, for Ray's head."""
    host, _, port = address.rpartition(":")
    words = ["--head", f"--node-ip-address={host}", f"--port={port}", "--include-dashboard=false"]
    if importlib.util.find_spec("grpc"):  # then Ray starts another server, at a fixed port
        words.append(f"--ray-client-server-port={free_port(int(port) + 1)}")
    return words


def num_gpus() -> int:
    """GPUs that Slurm gave to this step; others may be visible, and are not ours."""
    for name in _VISIBLE:
        if devices := os.environ.get(name):
            return 0 if devices == "NoDevFiles" else len(devices.split(","))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ClusterError as error:
        sys.exit(f"error: {error}")
