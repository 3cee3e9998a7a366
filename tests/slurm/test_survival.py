"""A study on a real Slurm with two nodes, through all that a cluster does to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from introsearch.results import record
from tests.slurm.conftest import FakeSlurm
from tests.test_end_to_end import STUDY, Study

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
"""
TIMEOUT_S = 300
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class ClusterStudy(Study):
    """Run with `--cluster`; the process is the one that follows the job."""

    timeout_s = TIMEOUT_S

    def __init__(self, folder: Path, database: Path) -> None:
        super().__init__(folder, database)
        self.file.write_text(LONGER)
        (folder / "slurm.yaml").write_text(CLUSTER)

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


@pytest.fixture
def study(slurm: FakeSlurm, tmp_path: Path, empty_database: Path) -> Iterator[ClusterStudy]:
    study = ClusterStudy(tmp_path / "study", empty_database)
    yield study
    study.kill_session()
    subprocess.run(["scancel", "--user=root"], check=True)
    wait_until(lambda: not squeue("%i"))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Study]:
    """The same study on this machine, left alone."""
    study = Study(tmp_path_factory.mktemp("local") / "study", empty_database)
    study.file.write_text(LONGER)
    study.timeout_s = TIMEOUT_S
    try:
        study.run()
        yield study
    finally:
        study.kill_session()


def squeue(form: str) -> str:
    command = ["squeue", "--noheader", f"--format={form}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def set_time_limit(job: str, *, minutes: int) -> None:
    subprocess.run(["scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}"], check=True)


def wait_until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def processes_of(job: str, *, node: str | None = None, command: str = "") -> list[int]:
    """Processes of a job, of its tasks on one node if one is given."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (folder / "environ").read_bytes().split(b"\0")
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            of_node = node is None or f"SLURMD_NODENAME={node}".encode() in environment
            if f"SLURM_JOB_ID={job}".encode() in environment and of_node and command in line:
                found.append(int(folder.name))
    return found


def head_folders() -> set[Path]:
    """Ray's temporary folders of first nodes."""
    return set(Path("/tmp").glob("is*-*-0"))


def kill(pids: list[int], number: signal.Signals = signal.SIGKILL) -> None:
    assert pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_node_dies_and_time_runs_out(slurm: FakeSlurm, study: ClusterStudy, local: Study) -> None:
    """Both in one job, which requeues itself and finishes with the table of a local run."""
    before = head_folders()
    job = study.submit()
    study.progress(2)
    kill([slurm.pid("node2"), *processes_of(job, node="node2")])
    study.wait_for(lambda: "Ray on node2 has ended" in study.log.read_text())
    study.progress(2)
    assert slurm.control("node", "node2")
    trials = processes_of(job, command="Trainable")
    kill(trials, signal.SIGSTOP)  # lest they end before Slurm sees to the time
    set_time_limit(job, minutes=60)  # of which less than signal_before_end_s is left
    study.wait_for(lambda: "Time is nearly over" in study.log.read_text())
    kill(trials, signal.SIGCONT)
    study.wait_for(lambda: f"Job {job} is requeued (1 of" in study.log.read_text())
    statuses = {entry["words"][record.STATUS] for entry in study.record().values()}
    assert statuses.isdisjoint({record.RUNNING, record.FAILED})
    study.wait_for(lambda: squeue("%T") == "PENDING")
    set_time_limit(job, minutes=120)
    assert study.wait() == 0, study.log.read_text()
    assert "Traceback" not in study.log.read_text()
    assert study.table == local.table
    assert study.comparable() == local.comparable()
    assert head_folders() == before


def test_the_head_dies_and_the_job_is_cancelled(
    slurm: FakeSlurm, study: ClusterStudy, local: Study
) -> None:
    """The job recovers from the first; after the second the same command continues."""
    job = study.submit()
    study.progress(1)
    kill(processes_of(job, command="gcs_server"))
    study.wait_for(lambda: study.log.read_text().count("select: ") == 2)
    study.progress(1)
    subprocess.run(["scancel", job], check=True)
    assert study.wait() == 130, study.log.read_text()
    assert "The same command continues" in study.log.read_text()
    assert "Traceback" not in study.log.read_text()
    statuses = {entry["words"][record.STATUS] for entry in study.record().values()}
    assert record.INTERRUPTED in statuses
    assert statuses.isdisjoint({record.RUNNING, record.FAILED})
    wait_until(lambda: not processes_of(job))

    study.run("--cluster", "slurm.yaml")
    assert study.table == local.table
    assert study.comparable() == local.comparable()
