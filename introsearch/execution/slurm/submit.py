"""Submits a study as a Slurm job, and follows its log."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from introsearch.cluster.file import SlurmCluster, seconds_of
from introsearch.errors import ClusterError, ConfigError
from introsearch.execution.lock import check_free
from introsearch.execution.slurm import client
from introsearch.execution.slurm.refusal import check_values, refusal
from introsearch.execution.slurm.script import python_of
from introsearch.files import alone

POLL_S = 5.0  # for Slurm; the log is looked at every second
ENDED = (  # whatever else Slurm says of a job, it will run or runs
    *("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL"),
    *("DEADLINE", "OUT_OF_MEMORY", "REVOKED"),
)
_NEVER_STARTS = {  # Slurm's reasons that do not go away by themselves
    **dict.fromkeys(
        ("PartitionConfig", "PartitionNodeLimit", "BadConstraints"),
        "the partition does not have what sbatch: asks for",
    ),
    "PartitionTimeLimit": "the partition does not give a job that much time",
    "DependencyNeverSatisfied": "what it depends on will not happen",
    **dict.fromkeys(("JobHeldUser", "JobHeldAdmin"), "`scontrol release` lets it start"),
}
_SILENT = "unknown"
EXIT_INTERRUPTED = 130


def check_slurm(cluster: SlurmCluster) -> None:
    """Whether this machine can submit at all.

    Raises:
        ConfigError: it cannot.
    """
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "there is no sbatch on the path, so that nothing can be submitted to Slurm from here",
            file=cluster.file,
            key="type",
            hint="log in to a node of the cluster; or use clusters/local.yaml, or leave --cluster "
            "out, to run on this machine",
        )
    environment = cluster.environment
    if environment and Path(environment).is_dir() and not Path(python_of(cluster)).exists():
        raise cluster.error(
            f"{environment} has no bin/python",
            "environment",
            hint="name the folder of a virtual or conda environment",
        )
    if cluster.shared_folder and not Path(cluster.shared_folder).is_dir():
        raise cluster.error(
            f"there is no folder {cluster.shared_folder}",
            "shared_folder",
            hint="name a folder that this machine and all nodes see",
        )


def submit_study(job: SlurmJob, cluster: SlurmCluster, script: str) -> None:
    """Submit a study, unless a job runs it already, and say how to go on from there.

    Raises:
        ConfigError: sbatch refuses the job, or a `run` outside Slurm works on the study.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    with alone(job.folder):  # of all who submit the same study
        if job.is_active():
            print(f"Job {job.id} runs this study already, or waits to.")
        else:
            check_free(job.folder.parent)
            job.submit(cluster, script)
            print(f"Submitted job {job.id}.")
    print(f"  its log:   {job.log}")
    print(f"  cancel:    scancel {job.id}")
    print("  continue:  the same command, whenever the job has ended", flush=True)


class SlurmJob:
    """The job of a study.

    Args:
        folder: of the study; the job's files are in `slurm` below it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve() / "slurm"

    @property
    def id(self) -> str:
        """Of the study's last job; empty if there has been none."""
        path = self.folder / "job"
        return path.read_text().strip() if path.exists() else ""

    @property
    def log(self) -> Path:
        """Where the job writes."""
        return self.folder / f"{self.id}.log"

    def is_active(self) -> bool:
        """Whether the job waits or runs."""
        fields = client.job_fields(self.id) if self.id else None
        return fields is not None and fields.get("JobState") not in ENDED

    def submit(self, cluster: SlurmCluster, script: str) -> None:
        """Submit the script.

        Raises:
            ConfigError: sbatch refuses it; with the key of the cluster file.
        """
        check_values(cluster)
        path = self.folder / "batch.sh"
        path.touch(mode=0o600)
        path.write_text(script)
        try:
            job = client.submit(path)
        except ClusterError as error:
            raise refusal(cluster, error.message) from error
        _check_time(job, cluster)
        (self.folder / "job").write_text(job)

    def follow(self) -> int:
        """Print the log until the job has ended, under whatever id; its exit code.

        Raises:
            ClusterError: nobody knows how the job ended.
        """
        try:
            return self._follow()
        except KeyboardInterrupt:
            print(f"\nJob {self.id} goes on; the same command follows it again.")
            return EXIT_INTERRUPTED

    def _follow(self) -> int:
        shown, state, next_poll = 0, "", 0.0
        job = self.id
        while True:
            ended = None
            if time.monotonic() >= next_poll:
                next_poll = time.monotonic() + POLL_S
                fields = client.job_fields(job)
                state = _tell_state(job, fields, state)
                ended = fields is None or fields.get("JobState") in ENDED
            shown = self._show(job, shown)
            if ended and self.id != job:
                job, shown = self.id, 0
            elif ended:
                return self._exit_code(job, fields, shown)
            time.sleep(1.0)

    def _show(self, job: str, shown: int) -> int:
        """Print what is new in the log; how many bytes have been printed."""
        try:
            with (self.folder / f"{job}.log").open("rb") as file:
                file.seek(shown)
                new = file.read()
        except OSError:
            return shown
        if new:
            sys.stdout.write(new.decode("utf-8", "replace"))
            sys.stdout.flush()
        return shown + len(new)

    def _exit_code(self, job: str, fields: dict[str, str] | None, shown: int) -> int:
        if fields is None:
            raise ClusterError(
                f"Slurm does not know job {job} any more",
                hint="`introsearch status` says where the study stands; the same command continues",
            )
        state, code = fields["JobState"], int(fields.get("ExitCode", "0:0").partition(":")[0])
        seen = (self.folder / f"{job}.log").is_file()
        if not (shown or seen) and state not in ("COMPLETED", "CANCELLED"):
            raise ClusterError(
                f"job {job} ended ({state}) without a word: {fields.get('BatchHost', 'its node')} "
                f"probably does not see {self.folder}",
                hint="name a folder that all nodes see under shared_folder: in the cluster file",
            )
        if not shown and code:
            print(f"Job {job} ended with exit code {code}, and without a word.")
        if state in ("COMPLETED", "FAILED") and (state == "COMPLETED" or code):
            return code
        print(f"Job {job} ended: {state}. The same command continues.")
        return EXIT_INTERRUPTED


def _check_time(job: str, cluster: SlurmCluster) -> None:
    """The partition's own time limit holds where the cluster file names none."""
    limit = (client.job_fields(job) or {}).get("TimeLimit", "")
    seconds = seconds_of(limit)
    if seconds is not None and seconds <= cluster.signal_before_end_s:
        client.cancel(job)
        raise cluster.error(
            f"the partition's time limit of {limit} ends the job within signal_before_end_s "
            f"({cluster.signal_before_end_s} s)",
            "sbatch",
            hint="give it more time, e.g. time: '04:00:00'; the job is cancelled",
        )


def _tell_state(job: str, fields: dict[str, str] | None, before: str) -> str:
    """Say why a job waits, and that nobody knows, whenever that changes."""
    if fields is None:
        return before
    if not fields and before != _SILENT:
        print(f"Slurm does not answer now; job {job} may have ended.", flush=True)
    state = fields.get("JobState", _SILENT)
    if state == "PENDING":
        reason = fields.get("Reason", "None")  # not known yet
        state = "waits" if reason == "None" else f"waits ({reason})"
        if state != before:
            advice = f": {_NEVER_STARTS[reason]}" if reason in _NEVER_STARTS else ""
            print(f"Job {job} {state}{advice}.", flush=True)
    return state
