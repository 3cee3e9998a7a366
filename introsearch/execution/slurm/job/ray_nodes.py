"""Ray on the nodes of a Slurm job."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from introsearch.errors import ClusterError
from introsearch.execution.slurm import client
from introsearch.execution.slurm.job.allocation import Allocation
from introsearch.execution.slurm.job.continuation import Continuation, say
from introsearch.execution.slurm.job.node import END
from introsearch.execution.slurm.job.ports import address_towards, free_port
from introsearch.execution.slurm.job.steps import step_command, step_environment

_NODES_PATIENCE_S = 90.0
END_PATIENCE_S = 10.0
POLL_S = 0.2
STARTED = "Ray runtime started"  # what `ray start` of Ray 2.60 says once its node can be used


class RayNodes:
    """One Ray, a part of it on each node.

    Args:
        allocation: of the job.
        temp_folder: on each node.
        continuation: of the job, for when its first node dies.
        is_over: whether the job has been asked to end.
    """

    def __init__(
        self,
        allocation: Allocation,
        *,
        temp_folder: str,
        continuation: Continuation,
        is_over: Callable[[], bool],
    ) -> None:
        self.allocation = allocation
        self.temp_folder = temp_folder
        self.continuation = continuation
        self.is_over = is_over
        self.head = allocation.nodes[0]
        self.steps: dict[str, subprocess.Popen[bytes]] = {}
        self.lost: set[str] = set()
        self.has_run = False

    def start(self) -> str:
        """Start Ray on all nodes that are not lost, and wait until they are up; its address.

        Raises:
            ClusterError: it does not start, with its last words.
        """
        others = [n for n in self.allocation.nodes if n != self.head and n not in self.lost]
        ip = address_towards(client.node_address(others[0])) if others else "127.0.0.1"
        address = f"{ip}:{free_port(int(self.allocation.job))}"
        self._start_node(self.head, address, "--head")
        self._wait_for([self.head])
        for node in others:
            self._start_node(node, address)
        self._wait_for(others)
        self.has_run = True
        return address

    @property
    def head_is_alive(self) -> bool:
        """Whether Ray's head runs."""
        return self.steps[self.head].poll() is None

    def note_lost(self) -> None:
        """Remember nodes on which Ray has ended: if all of it starts again, it does without."""
        self.lost |= {n for n, s in self.steps.items() if n != self.head and s.poll() is not None}

    def stop(self) -> None:
        """The other nodes first: without their head they would complain."""
        for step in reversed(self.steps.values()):
            if step.poll() is None:
                step.send_signal(END)
        for step in self.steps.values():
            try:
                step.wait(END_PATIENCE_S)
            except subprocess.TimeoutExpired:
                step.kill()
                step.wait()
        self.steps.clear()

    def _start_node(self, node: str, address: str, *arguments: str) -> None:
        index = self.allocation.nodes.index(node)
        with self._log(node).open("wb") as file:
            self.steps[node] = subprocess.Popen(
                [
                    *step_command(node, gpus=self.allocation.gpus[index]),
                    *(sys.executable, "-m", "introsearch.execution.slurm.job.node"),
                    f"--temp-folder={self.temp_folder}",
                    f"--num-cpus={self.allocation.cpus[index]}",
                    f"--address={address}",
                    *self.continuation.words(),
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=step_environment(),
            )

    def _wait_for(self, nodes: Sequence[str]) -> None:
        """Until all are up, or have had their time; then the study starts with those that are."""
        end = time.monotonic() + _NODES_PATIENCE_S
        missing = list(nodes)
        while missing and not self.is_over() and time.monotonic() < end:
            missing = [node for node in missing if STARTED not in self._words(node)]
            for node in [n for n in missing if self.steps[n].poll() is not None]:
                self._miss(node)
                missing.remove(node)
            time.sleep(POLL_S)
        if missing and not self.is_over():
            say(f"Ray is not up yet on {', '.join(missing)}: the study starts without.")

    def _miss(self, node: str) -> None:
        """On a node that has worked before, it is the node that is to blame."""
        if self.is_over():
            return
        if not self.has_run or node == self.head:
            raise ClusterError(
                f"Ray does not start on {node}:\n{self._last_words(node)}",
                hint=f"all of it: {self._log(node)}",
            )
        self.lost.add(node)
        say(f"Ray does not start on {node} again: the study goes on without.")

    def _log(self, node: str) -> Path:
        return self.continuation.folder / f"{self.allocation.job}-{node}.txt"

    def _words(self, node: str) -> str:
        return self._log(node).read_text("utf-8", "replace")

    def _last_words(self, node: str) -> str:
        lines = self._words(node).strip().splitlines()
        return "\n".join(f"  {line}" for line in lines[-10:])
