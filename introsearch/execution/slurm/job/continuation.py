"""How a job goes on after an end that the user did not want."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from introsearch.cluster.file import seconds_of
from introsearch.errors import ClusterError
from introsearch.execution.slurm import client


@dataclass(frozen=True, kw_only=True, slots=True)
class Continuation:
    """What it takes to have a job go on later.

    Attributes:
        job: its id.
        restarts: how often it has started before under this id.
        earlier: and under others.
        max_requeues: how often it may.
        folder: of the job's files.
    """

    job: str
    restarts: int
    earlier: int
    max_requeues: int
    folder: Path

    def words(self) -> list[str]:
        """The options from which `read` makes the same on another node."""
        return [
            *(f"--job={self.job}", f"--restarts={self.restarts}", f"--earlier={self.earlier}"),
            *(f"--max-requeues={self.max_requeues}", f"--folder={self.folder}"),
        ]

    @staticmethod
    def read(options: argparse.Namespace) -> Continuation:
        """From what a parser with `add_options` has read."""
        return Continuation(
            job=options.job,
            restarts=options.restarts,
            earlier=options.earlier,
            max_requeues=options.max_requeues,
            folder=options.folder,
        )

    def is_wanted(self, asked: signal.Signals | None) -> bool:
        """Whether a signal's end is none that the user wants: time is over, or others come first.

        `scancel` sends what a preemption or the time limit sends. Slurm notes when it preempts a
        job, until it has decided to requeue it.
        """
        if asked != signal.SIGTERM:
            return asked == signal.SIGUSR1
        fields = client.job_fields(self.job) or {}
        preempted = fields.get("PreemptTime", "None") not in ("None", "Unknown", "N/A")
        return preempted or self.has_requeued(fields) or _time_is_over(fields)

    def go_on(self) -> bool:
        """Requeue the job, or where that is not allowed submit it again.

        Returns:
            Whether it is requeued, and goes on under its id.
        """
        with _sigterm_waits():
            if self.has_requeued(client.job_fields(self.job)):
                say(f"Slurm has requeued job {self.job} itself.")
                return True
            restarts = self.earlier + self.restarts
            if restarts >= self.max_requeues:
                say(
                    f"Not requeued any more (max_requeues: {self.max_requeues}). "
                    "The same command continues."
                )
                return False
            times = f"{restarts + 1} of at most {self.max_requeues} times"
            if client.requeue(self.job):
                say(f"Job {self.job} is requeued ({times}).")
                return True
            try:
                job = client.submit(self.folder / "batch.sh", str(restarts + 1))
            except ClusterError as error:
                say(
                    f"Slurm neither requeues job {self.job} nor lets it be submitted again from "
                    f"here ({error.message}). The same command continues."
                )
                return False
            (self.folder / "job").write_text(job)
            say(f"Requeueing is not allowed here: submitted again as job {job} ({times}).")
            return False

    def has_requeued(self, fields: dict[str, str] | None) -> bool:
        """Whether Slurm has decided to start the job again, by what it says of it."""
        return int((fields or {}).get("Restarts", "0")) > self.restarts


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `Continuation.words`."""
    parser.add_argument("--job", required=True)
    parser.add_argument("--restarts", type=int, required=True)
    add_batch_options(parser)


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Those of them that do not come from Slurm."""
    parser.add_argument("--earlier", type=int, default=0)
    parser.add_argument("--max-requeues", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)


@contextmanager
def _sigterm_waits() -> Iterator[None]:
    """Slurm's commands inherit this: killed half way, they would seem to have failed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def _time_is_over(fields: dict[str, str]) -> bool:
    """Whether the time limit has ended a job: the signal before it may have come too early."""
    limit, used = (seconds_of(fields.get(name, "")) for name in ("TimeLimit", "RunTime"))
    return limit is not None and used is not None and used >= limit


def say(text: str) -> None:
    """To the job's log."""
    print(text, flush=True)
