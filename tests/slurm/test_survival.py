"""A study on a real Slurm with two nodes, through all that a cluster does to it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from introsearch.record import tags
from introsearch.statuses import Status
from tests.slurm.conftest import FakeSlurm, kill, processes_with
from tests.test_end_to_end import INLINE, STUDY, Study

LONGER = (  # trials, and fewer of them
    STUDY.replace("[0.1, 0.2, 0.5]", "[0.1, 0.5]")
    .replace("report: [1, 2]", "report: [1]")
    .replace("iterations: 60", "iterations: 160")
    .replace("min_iter: 20, max_iter: 60", "min_iter: 80, max_iter: 160")
    .replace("evaluate_every: 10", "evaluate_every: 20")
)
CLUSTER = """\
type: slurm
sbatch: {nodes: 2, cpus-per-task: 1, time: 120}
signal_before_end_s: 3600
temp_folder: TEMP
"""
TIMEOUT_S = 300
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class ClusterStudy(Study):
    """Run with `--cluster`; the process is the one that follows the job."""

    timeout_s = TIMEOUT_S

    def __init__(self, folder: Path, database: Path) -> None:
        super().__init__(folder, database)
        self.file.write_text(LONGER)
        self.temp_folder = Path(tempfile.mkdtemp(dir="/tmp"))  # of Ray, on all nodes
        (folder / "slurm.yaml").write_text(CLUSTER.replace("TEMP", str(self.temp_folder)))

    def submit(self) -> str:
        """The job's id, once the study trains."""
        self.start("--cluster", "slurm.yaml")
        self.wait_for(lambda: "select: " in self.log.read_text())
        found = re.search(r"Submitted job (\d+)", self.log.read_text())
        assert found is not None
        return found[1]

    def progress(self, more: int) -> None:
        """Wait for more evaluations."""
        seen = len(self.figures()) + more
        self.wait_for(lambda: len(self.figures()) >= seen)

    def check_record(self) -> None:
        """Between two jobs nothing runs, and nothing is over for what happened to the first."""
        statuses = {entry["words"][tags.STATUS] for entry in self.record().values()}
        assert statuses.isdisjoint({Status.RUNNING, Status.FAILED}), self.log.read_text()

    def finish(self, local: Study) -> None:
        """Wait for the end, and compare all with a run on this machine."""
        assert self.wait() == 0, self.log.read_text()
        assert local.wait() == 0, local.log.read_text()
        text = self.log.read_text()
        assert "Traceback" not in text
        assert len(text.splitlines()) < 60, text
        assert self.table == local.table
        assert self.comparable() == local.comparable()


@pytest.fixture
def study(slurm: FakeSlurm, tmp_path: Path, empty_database: Path) -> Iterator[ClusterStudy]:
    study = ClusterStudy(tmp_path / "study", empty_database)
    yield study
    study.kill_session()
    subprocess.run(["scancel", "--user=root"], check=True)
    wait_until(lambda: not squeue("%i"))
    shutil.rmtree(study.temp_folder)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Study]:
    """The same study in a process of this machine, left alone; it runs beside the first test."""
    study = Study(tmp_path_factory.mktemp("local") / "study", empty_database)
    study.file.write_text(LONGER)
    study.timeout_s = TIMEOUT_S
    try:
        study.start(*INLINE)
        yield study
    finally:
        study.kill_session()


def squeue(form: str) -> str:
    command = ["squeue", "--noheader", f"--format={form}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def set_time_limit(job: str, *, minutes: int) -> None:
    command = ["scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr} {squeue('%T %r %L %l')}"


def start_soon(job: str) -> None:
    """Slurm keeps a requeued job back for two minutes.

    Within the second of the requeue nodes would refuse the job: its old credential, which they tell
    from a new one by the second of its making, has just been revoked there.
    """
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now+3"], check=True)


def wait_until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def freeze(job: str) -> list[int]:
    """Trials, lest they end before what is to happen to them does."""
    found: list[int] = []
    while not found:  # there may be none just now
        found = processes_with(f"SLURM_JOB_ID={job}", command="Trainable")
        time.sleep(0.1)
    kill(found, signal.SIGSTOP)
    return found


def intruder(study: ClusterStudy, job: str) -> subprocess.Popen[str]:
    """Somebody who reaches the job's Ray and does not have its token."""
    address = (study.runs / "tiny" / "slurm" / f"{job}-ray.yaml").read_text().split()[-1]
    return subprocess.Popen(
        [sys.executable, "-c", f"import ray; ray.init({address!r})"],
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_node_dies_and_time_runs_out(slurm: FakeSlurm, study: ClusterStudy, local: Study) -> None:
    """Both in one job, which requeues itself and finishes with the table of a local run."""
    job = study.submit()
    other = intruder(study, job)
    study.progress(1)
    trials = freeze(job)
    _, second = slurm.nodes
    slurm.kill_node(second)
    study.wait_for(lambda: f"{second} has left Ray" in study.log.read_text())
    assert "InvalidAuthToken" in other.communicate()[0]
    assert other.returncode == 1
    kill(trials, signal.SIGCONT)
    study.progress(1)
    slurm.start_node(second)
    trials = freeze(job)
    set_time_limit(job, minutes=60)  # of which less than signal_before_end_s is left
    study.wait_for(lambda: "Time is nearly over" in study.log.read_text())
    kill(trials, signal.SIGCONT)
    study.wait_for(lambda: f"Job {job} is requeued (1 of" in study.log.read_text())
    study.check_record()
    study.wait_for(lambda: squeue("%T") == "PENDING")
    set_time_limit(job, minutes=120)
    start_soon(job)
    study.finish(local)


def test_the_first_node_dies_in_every_way(
    slurm: FakeSlurm, study: ClusterStudy, local: Study
) -> None:
    """Ray's head: the job recovers. The job: the same command continues. The whole node: Slurm
    would leave the other one waiting, and that one requeues the job.
    """
    job = study.submit()
    study.progress(1)
    freeze(job)
    kill(processes_with(f"SLURM_JOB_ID={job}", command="gcs_server"))
    study.wait_for(lambda: study.log.read_text().count("select: ") == 2)
    study.progress(1)
    trials = freeze(job)
    subprocess.run(["scancel", job], check=True)
    kill(trials, signal.SIGCONT)  # Slurm may not wake them, and Ray Tune waits for them to stop
    assert study.wait() == 130, study.log.read_text()
    assert "The same command continues" in study.log.read_text()
    assert "Traceback" not in study.log.read_text()
    study.check_record()
    wait_until(lambda: not processes_with(f"SLURM_JOB_ID={job}"))

    job = study.submit()
    study.progress(1)
    first, _ = slurm.nodes
    slurm.kill_node(first)
    slurm.give_up_node(first)
    study.wait_for(lambda: f"Job {job} is requeued (1 of" in study.log.read_text())
    assert "The first node of job" in study.log.read_text()
    slurm.start_node(first)
    study.wait_for(lambda: squeue("%T") == "PENDING")
    start_soon(job)
    study.finish(local)
    wait_until(lambda: not list(study.temp_folder.iterdir()))
