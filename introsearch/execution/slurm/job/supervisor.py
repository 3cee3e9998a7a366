"""Runs a study inside a Slurm job: Ray on all nodes, the study on it, and what comes after.

It takes the place of the batch script's shell, on the first node. The study itself runs in a
process of its own, so that it can be started again when Ray's head has died under it.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from introsearch.errors import ClusterError
from introsearch.execution.slurm.job.allocation import Allocation, read_allocation
from introsearch.execution.slurm.job.continuation import Continuation, add_batch_options, say
from introsearch.execution.slurm.job.ray_nodes import POLL_S, RayNodes
from introsearch.execution.slurm.job.steps import check_nodes

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130
# For the study to record what was interrupted; Ray Tune first gives busy trials 10 s. After SIGTERM
# Slurm kills what is left within its KillWait, of 30 s if the site has not changed it.
PATIENCE_S = {signal.SIGUSR1: 60.0, signal.SIGTERM: 20.0}
_HEADLESS_PATIENCE_S = 10.0  # without Ray's head it can do no more, and may hang
_REMIND_AFTER_S = 40.0
_REQUEUE_PATIENCE_S = 60.0
_MAX_DEATHS = 3  # of Ray's head or the driver, within one job


class Supervisor:
    """Starts and watches the processes of a job.

    Args:
        allocation: of the job.
        continuation: of the job.
        temp_folder: on each node.
        command: the arguments of the `introsearch` that runs the study.
    """

    def __init__(
        self,
        allocation: Allocation,
        continuation: Continuation,
        *,
        temp_folder: str,
        command: Sequence[str],
    ) -> None:
        self.job = allocation.job
        self.folder = continuation.folder
        self.command = command
        self.asked_to_end: signal.Signals | None = None
        self.told_to_end = math.inf  # when
        self.is_reminded = False
        self.driver: subprocess.Popen[bytes] | None = None
        self.ray = RayNodes(
            allocation,
            temp_folder=temp_folder,
            continuation=continuation,
            is_over=lambda: self.asked_to_end is not None,
        )
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # this user's processes alone see it
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.pop("RAY_ADDRESS", None)
        for number in PATIENCE_S:
            signal.signal(number, self._end)

    def run(self) -> int:
        """Run the study, again if Ray's head dies under it; its exit code."""
        for death in range(_MAX_DEATHS + 1):
            try:
                code = self._attempt()
            finally:
                self.ray.stop()
            if code is not None:
                return code
            if death < _MAX_DEATHS:
                say("Ray's head or the study's process died: both start again, from the record.")
        raise ClusterError(
            f"Ray's head or the study's process died {_MAX_DEATHS + 1} times",
            hint=f"their last words are in {self.folder}; the same command continues",
        )

    def _attempt(self) -> int | None:
        """The study's exit code; None if Ray or the study's process died."""
        address = self.ray.start()
        if self.asked_to_end:
            return EXIT_INTERRUPTED
        cluster = self.folder / f"{self.job}-ray.yaml"
        cluster.write_text(f"type: ray\naddress: {address}\n")
        command = [sys.executable, "-m", "introsearch", *self.command, f"--cluster={cluster}"]
        self.driver = subprocess.Popen(command)
        if self.asked_to_end:  # just now
            self.driver.terminate()
        while self.driver.poll() is None and self.ray.head_is_alive and not self._is_overdue():
            self.ray.note_lost()
            time.sleep(POLL_S)
        died = not self.ray.head_is_alive
        code = self._end_driver()
        if self.asked_to_end:
            return code if code == 0 or (code > 0 and not died) else EXIT_INTERRUPTED
        return None if code < 0 or (died and code != 0) else code

    def _is_overdue(self) -> bool:
        """Whether the study has been told to end and has had its time for that."""
        assert self.driver is not None
        if self.asked_to_end is None:
            return False
        self._note_end()
        if time.monotonic() - self.told_to_end > _REMIND_AFTER_S and not self.is_reminded:
            # It ignores further signals, but not Ctrl-C, lest the first was lost.
            self.is_reminded = True
            self.driver.send_signal(signal.SIGINT)
        return self._time_left() <= 0

    def _note_end(self) -> None:
        """The study has just been told to end, or a while ago."""
        if self.told_to_end == math.inf:
            self.told_to_end = time.monotonic()
            if self.asked_to_end == signal.SIGUSR1:
                say("Time is nearly over: trials stop, and the job goes on later.")

    def _time_left(self) -> float:
        """For the study to end, if it has been told to."""
        assert self.asked_to_end is not None
        return self.told_to_end + PATIENCE_S[self.asked_to_end] - time.monotonic()

    def _end_driver(self) -> int:
        """It ends by itself, or loses Ray and would wait for it, or hangs."""
        assert self.driver is not None
        if self.driver.poll() is None:
            self.driver.terminate()
        patience = _HEADLESS_PATIENCE_S
        if self.asked_to_end is not None:
            self._note_end()
            patience = self._time_left()
        try:
            return self.driver.wait(patience)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            return self.driver.wait()

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.asked_to_end is None:
            self.asked_to_end = signal.Signals(number)
        if self.driver is not None and self.driver.poll() is None:
            self.driver.send_signal(signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """What the batch script executes."""
    parser = argparse.ArgumentParser(prog="supervisor")
    parser.add_argument("--temp-folder", required=True)
    add_batch_options(parser)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    allocation = read_allocation()
    continuation = Continuation(
        job=allocation.job,
        restarts=allocation.restarts,
        earlier=options.earlier,
        max_requeues=options.max_requeues,
        folder=options.folder,
    )
    supervisor = Supervisor(
        allocation, continuation, temp_folder=options.temp_folder, command=options.command
    )
    say(f"Job {allocation.job} on {', '.join(allocation.nodes)}")
    try:
        check_nodes(
            allocation,
            options.folder,
            study=options.command[1],
            is_over=lambda: supervisor.asked_to_end is not None,
        )
        code = supervisor.run()
    except ClusterError as error:
        if not supervisor.asked_to_end:
            print(f"error: {error}", file=sys.stderr, flush=True)
            return EXIT_BAD_INPUT
        code = EXIT_INTERRUPTED
    if code == EXIT_INTERRUPTED and continuation.is_wanted(supervisor.asked_to_end):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Slurm ends with it a job that it requeues
        if continuation.go_on() and supervisor.asked_to_end == signal.SIGUSR1:
            time.sleep(_REQUEUE_PATIENCE_S)  # our own end would be the job's, not this start's
    return code


if __name__ == "__main__":
    sys.exit(main())
