"""Runs a study inside a Slurm job: Ray on all nodes, the study on it, and what comes after.

It takes the place of the batch script's shell, on the first node. The study itself runs in a
process of its own, so that it can be started again when Ray's head has died under it.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from introsearch.errors import ClusterError
from introsearch.execution import slurm_client
from introsearch.execution.slurm_node import END, STARTED

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130
NODES_PATIENCE_S = 90.0
DRIVER_PATIENCE_S = 60.0  # to record what was interrupted
HEADLESS_PATIENCE_S = 10.0  # without Ray's head it can do no more, and may hang
REMIND_AFTER_S = 40.0
MAX_DEATHS = 3  # of Ray's head or the driver, within one job
POLL_S = 0.2
FIRST_PORT, NUM_PORTS = 20_000, 10_000  # below those that Linux hands out by itself
# Options of the job that srun would take for those of every step.
NOT_FOR_STEPS = (
    *("CPUS_PER_TASK", "GPUS_PER_TASK", "NTASKS", "NPROCS", "NTASKS_PER_NODE", "NTASKS_PER_CORE"),
    *("NTASKS_PER_SOCKET", "NTASKS_PER_GPU", "TRES_PER_TASK", "DISTRIBUTION", "EXACT", "WAIT"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """What Slurm gave to this job.

    Attributes:
        job: its id.
        nodes: names of its nodes, this one first.
        cpus: number of CPUs on each.
        restarts: how often it has started before.
    """

    job: str
    nodes: tuple[str, ...]
    cpus: tuple[int, ...]
    restarts: int


def read_allocation() -> Allocation:
    """From the variables that Slurm sets in a batch script."""
    environment = os.environ
    names = slurm_client.hostnames(environment["SLURM_JOB_NODELIST"])
    cpus = dict(zip(names, cpu_counts(environment["SLURM_JOB_CPUS_PER_NODE"]), strict=True))
    nodes = sorted(names, key=lambda name: name != environment["SLURMD_NODENAME"])
    return Allocation(
        job=environment["SLURM_JOB_ID"],
        nodes=tuple(nodes),
        cpus=tuple(cpus[name] for name in nodes),
        restarts=int(environment.get("SLURM_RESTART_COUNT", "0")),
    )


def cpu_counts(text: str) -> list[int]:
    """Numbers of CPUs as Slurm writes them, e.g. ``8(x2),4``."""
    counts: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(number)] * int(times or 1)
    return counts


class Supervisor:
    """Starts and watches the processes of a job.

    Args:
        allocation: of the job.
        folder: of logs, seen by all nodes.
        temp_folder: on each node.
        command: the arguments of the `introsearch` that runs the study.
    """

    def __init__(
        self, allocation: Allocation, *, folder: Path, temp_folder: str, command: Sequence[str]
    ) -> None:
        self.allocation = allocation
        self.folder = folder
        self.temp_folder = temp_folder
        self.command = command
        self.asked_to_end: signal.Signals | None = None
        self.told_to_end = 0.0  # when, if at all
        self.driver: subprocess.Popen[bytes] | None = None
        self.steps: dict[str, subprocess.Popen[bytes]] = {}
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # this user's processes alone see it
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.pop("RAY_ADDRESS", None)
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, self._end)

    def run(self) -> int:
        """Run the study, again if Ray's head dies under it; its exit code."""
        for death in range(MAX_DEATHS + 1):
            try:
                code = self._attempt()
            finally:
                self._stop_ray()
            if code is not None:
                return code
            if death < MAX_DEATHS:
                say("Ray's head or the study's process died: both start again, from the record.")
        raise ClusterError(
            f"Ray's head or the study's process died {MAX_DEATHS + 1} times",
            hint=f"their last words are in {self.folder}; the same command continues",
        )

    def _attempt(self) -> int | None:
        """The study's exit code; None if Ray or the study's process died."""
        address = self._start_ray()
        if self.asked_to_end:
            return EXIT_INTERRUPTED
        cluster = self.folder / f"{self.allocation.job}-ray.yaml"
        cluster.write_text(f"type: ray\naddress: {address}\n")
        command = [sys.executable, "-m", "introsearch", *self.command, f"--cluster={cluster}"]
        self.driver = subprocess.Popen(command)
        if self.asked_to_end:  # just now
            self.driver.terminate()
        head, told = self.steps[self.allocation.nodes[0]], set()
        while self.driver.poll() is None and head.poll() is None:
            for node in [n for n, step in self.steps.items() if step.poll() is not None]:
                if node not in told and not self.asked_to_end:
                    told.add(node)
                    say(f"Ray on {node} has ended: its trials go on elsewhere.")
            self._remind_driver()
            time.sleep(POLL_S)
        died = head.poll() is not None
        code = self._wait_for_driver(
            DRIVER_PATIENCE_S if self.asked_to_end else HEADLESS_PATIENCE_S
        )
        if self.asked_to_end:
            return code if code == 0 or (code > 0 and not died) else EXIT_INTERRUPTED
        return None if code < 0 or (died and code != 0) else code

    def _remind_driver(self) -> None:
        """Once asked to end it ignores further signals, but not Ctrl-C, lest the first was lost."""
        assert self.driver is not None
        if self.asked_to_end and not self.told_to_end:
            self.told_to_end = time.monotonic()
            if self.asked_to_end == signal.SIGUSR1:
                say("Time is nearly over: trials stop, and the job goes on later.")
        elif self.told_to_end and time.monotonic() > self.told_to_end + REMIND_AFTER_S:
            self.told_to_end = math.inf
            self.driver.send_signal(signal.SIGINT)

    def _wait_for_driver(self, patience_s: float) -> int:
        """It ends by itself, or loses Ray and would wait for it."""
        assert self.driver is not None
        if self.driver.poll() is None:
            self.driver.terminate()
        try:
            return self.driver.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            return self.driver.wait()

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.asked_to_end is None:
            self.asked_to_end = signal.Signals(number)
        if self.driver is not None and self.driver.poll() is None:
            self.driver.send_signal(signal.SIGTERM)

    # -- Ray -------------------------------------------------------------------------------------

    def _start_ray(self) -> str:
        """Start Ray on all nodes and wait until they are up; the address of its head."""
        head, *others = self.allocation.nodes
        ip = address_towards(slurm_client.node_address(others[0])) if others else "127.0.0.1"
        port = free_port(int(self.allocation.job))
        self._start_node(
            head, "--head", f"--node-ip-address={ip}", f"--port={port}", "--include-dashboard=false"
        )
        self._wait_for_nodes([head])
        for node in others:
            self._start_node(node, f"--address={ip}:{port}")
        self._wait_for_nodes(others)
        return f"{ip}:{port}"

    def _start_node(self, node: str, *arguments: str) -> None:
        index = self.allocation.nodes.index(node)
        name = f"is{self.allocation.job}-{secrets.token_hex(3)}-{index}"
        log = self._log(node)
        with log.open("wb") as file:
            self.steps[node] = subprocess.Popen(
                [
                    *step_command(node),
                    *(sys.executable, "-m", "introsearch.execution.slurm_node"),
                    f"--temp-folder={self.temp_folder}/{name}",
                    f"--num-cpus={self.allocation.cpus[index]}",
                    *("--", *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=step_environment(),
            )

    def _wait_for_nodes(self, nodes: Sequence[str]) -> None:
        """Until all are up, or have had their time; then the study starts with those that are."""
        end = time.monotonic() + NODES_PATIENCE_S
        missing = list(nodes)
        while missing and not self.asked_to_end and time.monotonic() < end:
            missing = [node for node in missing if STARTED not in self._words(node)]
            failed = [n for n in missing if self.steps[n].poll() is not None]
            if failed:
                raise ClusterError(
                    f"Ray does not start on {', '.join(failed)}:\n{self._last_words(failed[0])}",
                    hint=f"all of it: {self._log(failed[0])}",
                )
            time.sleep(POLL_S)
        if missing and not self.asked_to_end:
            say(f"Ray is not up yet on {', '.join(missing)}: the study starts without.")

    def _stop_ray(self) -> None:
        """The other nodes first: without their head they would complain."""
        for step in reversed(self.steps.values()):
            if step.poll() is None:
                step.send_signal(END)
        for step in self.steps.values():
            try:
                step.wait(10)
            except subprocess.TimeoutExpired:
                step.kill()
                step.wait()
        self.steps.clear()

    def _log(self, node: str) -> Path:
        return self.folder / f"{self.allocation.job}-{node}.txt"

    def _words(self, node: str) -> str:
        return self._log(node).read_text("utf-8", "replace")

    def _last_words(self, node: str) -> str:
        lines = self._words(node).strip().splitlines()
        return "\n".join(f"  {line}" for line in lines[-10:])


def check_nodes(allocation: Allocation, folder: Path) -> None:
    """Each node must see the environment and the folder.

    Raises:
        ClusterError: with what each says that does not.
    """
    script = (
        'test -d "$1" || { echo "error: $SLURMD_NODENAME does not see the folder $1"; exit 1; }; '
        'test -x "$2" || { echo "error: $SLURMD_NODENAME has no $2"; exit 1; }; '
        '"$2" -c "import introsearch, ray" || '
        '{ echo "error: $2 on $SLURMD_NODENAME has no introsearch"; exit 1; }'
    )
    count = str(len(allocation.nodes))
    words = ["bash", "-c", script, "bash", str(folder), sys.executable]
    done = subprocess.run(
        ["srun", "--overlap", "--nodes", count, "--ntasks", count, "--mpi=none", *words],
        env=step_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
        words = [line.removeprefix("error: ") for line in lines] or done.stderr.splitlines()[-3:]
        raise ClusterError(
            "; ".join(words) or "srun fails",
            hint="name a folder that all nodes see under shared_folder:, and the environment of "
            "the nodes under environment: or setup:, in the cluster file",
        )


def step_command(node: str) -> list[str]:
    """One task on one node that may use all that the job has there."""
    return [
        *("srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={node}", "--mem=0"),
        *("--export=ALL", "--mpi=none", "--cpu-bind=none", "--kill-on-bad-exit=0"),
    ]


def step_environment() -> dict[str, str]:
    """This process's, without what would give a step less than the job has."""
    dropped = {f"{prefix}_{name}" for name in NOT_FOR_STEPS for prefix in ("SLURM", "SRUN")}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def address_towards(peer: str) -> str:
    """The address of this machine that another one reaches."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


def free_port(job: int) -> int:
    """A port of this machine that nobody uses, another one for another job."""
    for i in range(NUM_PORTS):
        port = FIRST_PORT + (job + i) % NUM_PORTS
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
                return port
            except OSError:
                continue
    raise ClusterError("no port is free", hint="is this node flooded with servers?")


def go_on_later(allocation: Allocation, *, folder: Path, earlier: int, max_requeues: int) -> None:
    """Requeue the job, or where that is not allowed submit it again."""
    restarts = earlier + allocation.restarts
    if _has_requeued(slurm_client.job_fields(allocation.job), allocation):
        say(f"Slurm has requeued job {allocation.job} itself.")
        return
    if restarts >= max_requeues:
        say(f"Not requeued any more (max_requeues: {max_requeues}). The same command continues.")
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # with which Slurm ends a job that it requeues
    with _sigterm_waits():
        if not slurm_client.requeue(allocation.job):
            job = slurm_client.submit(folder / "batch.sh", str(restarts + 1))
            (folder / "job").write_text(job)
            say(f"Requeueing is not allowed here: submitted again as job {job}.")
            return
        say(f"Job {allocation.job} is requeued ({restarts + 1} of at most {max_requeues} times).")
    time.sleep(DRIVER_PATIENCE_S)  # to end by itself would end the job, and not only this start


@contextmanager
def _sigterm_waits() -> Iterator[None]:
    """Slurm's commands inherit this: killed half way, they would seem to have failed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def must_go_on(asked: signal.Signals | None, allocation: Allocation) -> bool:
    """Whether the end is none that the user wants: time is over, or others need the nodes.

    `scancel` sends what a preemption sends. Slurm notes when it preempts a job, until it has
    decided to requeue it.
    """
    if asked != signal.SIGTERM:
        return asked == signal.SIGUSR1
    fields = slurm_client.job_fields(allocation.job)
    preempted = (fields or {}).get("PreemptTime", "None") not in ("None", "Unknown", "N/A")
    return preempted or _has_requeued(fields, allocation)


def _has_requeued(fields: dict[str, str] | None, allocation: Allocation) -> bool:
    return int((fields or {}).get("Restarts", "0")) > allocation.restarts


def say(text: str) -> None:
    """To the job's log."""
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """What the batch script executes."""
    parser = argparse.ArgumentParser(prog="slurm_job")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--temp-folder", required=True)
    parser.add_argument("--max-requeues", type=int, required=True)
    parser.add_argument("--earlier", type=int, default=0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    allocation = read_allocation()
    supervisor = Supervisor(
        allocation,
        folder=options.folder,
        temp_folder=options.temp_folder,
        command=options.command,
    )
    say(f"Job {allocation.job} on {', '.join(allocation.nodes)}")
    try:
        check_nodes(allocation, options.folder)
        code = supervisor.run()
    except ClusterError as error:
        if not supervisor.asked_to_end:
            print(f"error: {error}", file=sys.stderr, flush=True)
            return EXIT_BAD_INPUT
        code = EXIT_INTERRUPTED
    if code == EXIT_INTERRUPTED and must_go_on(supervisor.asked_to_end, allocation):
        go_on_later(
            allocation,
            folder=options.folder,
            earlier=options.earlier,
            max_requeues=options.max_requeues,
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
