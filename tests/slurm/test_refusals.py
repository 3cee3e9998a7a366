"""What a real Slurm refuses, or fails at, ends in one clear sentence."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from introsearch.cli import main
from introsearch.commands.options import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
)
from introsearch.execution.slurm import submit as following
from introsearch.execution.slurm.submit import SlurmJob
from tests.slurm.conftest import FakeSlurm
from tests.test_end_to_end import STUDY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]
RUN = ["run", "tiny.yaml", "--cluster", "c.yaml"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(following, "POLL_S", 0.5)
    return tmp_path


def write(folder: Path, sbatch: str, more: str = "") -> None:
    (folder / "c.yaml").write_text(f"type: slurm\nsbatch: {{{sbatch}}}\n{more}")


@pytest.mark.parametrize(
    ("sbatch", "said"),
    [
        ("partition: mian", ("c.yaml:2", "sbatch.partition", "invalid partition", "'main'")),
        ("partion: main", ("c.yaml:2", "sbatch.partion", "no such option", "'partition'")),
        ("time: soon", ("c.yaml:2", "sbatch.time", "Invalid")),
        ("account: true", ("c.yaml:2", "sbatch.account", "needs a value")),
        ("hold: yes", ("c.yaml:2", "sbatch.hold", "write true")),
    ],
)
def test_a_refused_job(
    folder: Path, capsys: pytest.CaptureFixture[str], sbatch: str, said: tuple[str, ...]
) -> None:
    write(folder, sbatch)
    assert main(RUN) == EXIT_BAD_INPUT
    output = capsys.readouterr()
    assert "Submitted" not in output.out
    for words in said:
        assert words in output.err


def test_setup_that_is_not_shell(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "hold: true", "setup:\n  - export A=1\n  - echo 'open\n")
    assert main(RUN) == EXIT_BAD_INPUT
    assert "c.yaml:5: setup.1: is not shell" in capsys.readouterr().err


def test_setup_that_ends_the_job_silently(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "nodes: 1", "setup: [exit 3]\n")
    assert main(RUN) == 3
    output = capsys.readouterr()
    assert "ended with exit code 3" in output.out
    assert "does not see" not in output.err


def test_a_signal_that_sbatch_cannot_send(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "hold: true", "signal_before_end_s: 100000\n")
    assert main(RUN) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert "c.yaml:3: signal_before_end_s" in error
    assert "65535" in error


def test_a_partition_whose_time_limit_is_too_short(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its jobs would be requeued as soon as they start, again and again."""
    write(folder, "nodes: 1")
    update = ["scontrol", "update", "PartitionName=main"]
    subprocess.run([*update, "DefaultTime=1"], check=True)
    try:
        assert main(RUN) == EXIT_BAD_INPUT
    finally:
        subprocess.run([*update, "DefaultTime=UNLIMITED"], check=True)
    output = capsys.readouterr()
    assert "Submitted" not in output.out
    assert "time limit of 00:01:00" in output.err
    assert "signal_before_end_s (120 s)" in output.err


def test_an_environment_without_the_package(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    python = folder / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/bash\nexit 1\n")
    python.chmod(0o755)
    write(folder, "nodes: 2", f"environment: {folder}/env\n")
    assert main(RUN) == EXIT_BAD_INPUT
    assert f"{python} on" in (text := capfd.readouterr().out)
    assert "has no introsearch" in text


def test_a_folder_that_a_node_does_not_see(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that cannot open the log, here since it is a folder, runs nothing of the job."""
    write(folder, "hold: true")
    assert main([*RUN, "--detach"]) == EXIT_DONE
    job = SlurmJob(folder / "runs" / "tiny")
    job.log.mkdir()
    subprocess.run(["scontrol", "release", job.id], check=True)
    assert main(RUN) == EXIT_SOME_FAILED
    output = capsys.readouterr()
    assert "runs this study already" in output.out
    assert "ended (FAILED) without a word" in output.err
    assert "shared_folder" in output.err


def test_a_study_file_that_no_node_sees(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "nodes: 2, hold: true")
    assert main([*RUN, "--detach"]) == EXIT_DONE
    job = SlurmJob(folder / "runs" / "tiny")
    (folder / "tiny.yaml").unlink()
    subprocess.run(["scontrol", "release", job.id], check=True)
    assert job.follow() == EXIT_BAD_INPUT
    assert f"does not see the study file {folder}/tiny.yaml" in capsys.readouterr().out


def test_a_waiting_job_is_not_submitted_twice_and_can_be_cancelled(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "hold: true")
    command = [sys.executable, "-m", "introsearch", *RUN, "--detach"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    text = "".join(process.communicate()[0] for process in both)
    job = SlurmJob(folder / "runs" / "tiny").id
    assert text.count("Submitted job") == text.count("runs this study already") == 1
    assert text.count(f"scancel {job}") == 2

    def cancel() -> None:
        time.sleep(2)
        subprocess.run(["scancel", job], check=True)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert main(RUN) == EXIT_INTERRUPTED
    thread.join()
    text = capsys.readouterr().out
    assert f"Job {job} runs this study already" in text
    assert f"Job {job} waits (JobHeldUser): `scontrol release` lets it start" in text
    assert f"Job {job} ended: CANCELLED" in text


def test_where_requeueing_is_not_allowed(slurm: FakeSlurm, folder: Path) -> None:
    """A job that gets the signal before anything has started goes on as another job."""
    write(folder, "no-requeue: true", "max_requeues: 1\n")
    assert main([*RUN, "--detach"]) == EXIT_DONE
    job = SlurmJob(folder / "runs" / "tiny")
    first, log = job.id, job.log
    end = time.monotonic() + 120
    while not log.exists() or "Job" not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    signalled = ["scancel", "--signal=USR1", "--batch", first]
    subprocess.run(signalled, check=True)
    while job.id == first:
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    assert f"submitted again as job {job.id}" in log.read_text()
    assert '--earlier="${1:-0}"' in (job.folder / "batch.sh").read_text()
    subprocess.run(["scancel", job.id], check=True)
