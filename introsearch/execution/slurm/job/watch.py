"""What the other nodes do when the first node of a job has died."""

from __future__ import annotations

import os
import socket
from contextlib import redirect_stdout

from introsearch.execution.slurm import client
from introsearch.execution.slurm.job.continuation import Continuation, say

PATIENCE_S = 5.0  # a machine that is down does not even refuse


class FirstNodeWatch:
    """Has a job go on whose first node has died.

    A job that may lose nodes may lose that of its batch script too: Slurm then leaves the others
    waiting until the time limit. The first of those takes care of it.

    Args:
        address: of Ray's head.
        continuation: of the job.
    """

    def __init__(self, address: str, continuation: Continuation) -> None:
        host, _, port = address.rpartition(":")
        self.address = host, int(port)
        self.continuation = continuation

    def sees_head(self) -> bool:
        """Whether Ray's head answers: then its machine is alive."""
        try:
            socket.create_connection(self.address, timeout=PATIENCE_S).close()
        except OSError:
            return False
        return True

    def is_in_charge(self) -> bool:
        """Whether Slurm knows of the first node's death, and this one is now the first."""
        fields = client.job_fields(self.continuation.job) or {}
        if fields.get("JobState") != "RUNNING" or self.continuation.has_requeued(fields):
            return False
        left = client.hostnames(fields["NodeList"])
        lost = fields["BatchHost"] not in left
        return lost and left[:1] == [os.environ["SLURMD_NODENAME"]]

    def go_on(self) -> None:
        """As the first node would have done, with words in the job's log."""
        job, folder = self.continuation.job, self.continuation.folder
        with (folder / f"{job}.log").open("a") as log, redirect_stdout(log):
            say(f"The first node of job {job} has died, and with it Ray's head.")
            if not self.continuation.go_on():
                client.cancel(job)
