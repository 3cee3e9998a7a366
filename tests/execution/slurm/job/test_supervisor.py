"""What a job makes of what Slurm tells it."""

from __future__ import annotations

import argparse
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from introsearch.execution.slurm import client
from introsearch.execution.slurm import submit as slurm
from introsearch.execution.slurm.job import ports
from introsearch.execution.slurm.job.allocation import cpu_counts, gpu_count
from introsearch.execution.slurm.job.continuation import Continuation, add_options
from introsearch.execution.slurm.job.node import num_gpus
from introsearch.execution.slurm.job.ports import address_towards, free_port
from introsearch.execution.slurm.job.steps import step_environment
from introsearch.execution.slurm.job.watch import FirstNodeWatch


def job(folder: Path = Path("/runs"), *, earlier: int = 0, max_requeues: int = 3) -> Continuation:
    return Continuation(
        job="7", restarts=0, earlier=earlier, max_requeues=max_requeues, folder=folder
    )


def test_cpus_of_every_node() -> None:
    assert cpu_counts("8(x2),4") == [8, 8, 4]
    assert cpu_counts("72") == [72]
    assert cpu_counts("1,2(x1),3(x3)") == [1, 2, 3, 3, 3]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("gpu:2(IDX:0-1)", 2),
        ("gpu:a100:2(IDX:0,3),gpu:1(IDX:1),shard:8(0/8)", 3),
        ("fpga:1(IDX:0),other_gpu:4", 0),
    ],
)
def test_gpus_of_a_node(text: str, number: int) -> None:
    assert gpu_count(text) == number


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({}, 0),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 0),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2"}, 3),
        ({"CUDA_VISIBLE_DEVICES": "MIG-1a,GPU-2b"}, 2),
        ({"ROCR_VISIBLE_DEVICES": "0"}, 1),
        # All of the machine's may be visible, and nobody gave them to this job.
        ({"SLURM_GPUS_ON_NODE": "4"}, 0),
    ],
)
def test_only_gpus_of_the_step_are_used(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], number: int
) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert num_gpus() == number


def test_a_step_is_not_held_to_the_share_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_GPUS_PER_TASK", "1")
    monkeypatch.setenv("SRUN_CPUS_PER_TASK", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    environment = step_environment()
    assert {"SLURM_GPUS_PER_TASK", "SRUN_CPUS_PER_TASK"}.isdisjoint(environment)
    assert environment["SLURM_JOB_ID"] == "7"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("", free_port(123)))
        yield server.getsockname()[1]


def test_ports_do_not_collide(taken: int) -> None:
    assert taken >= ports.FIRST_PORT
    assert free_port(123) not in (taken, free_port(5_000))
    assert free_port(10**9) < ports.FIRST_PORT + ports.NUM_PORTS


def test_the_address_is_one_that_others_reach() -> None:
    assert address_towards("127.0.0.1") == "127.0.0.1"
    assert address_towards("no.such.machine.invalid") == socket.gethostname()


# What Slurm 22.05 says of a job whose batch script has just got a signal.
TIME_IS_NEAR = "JobState=RUNNING Restarts=0 RunTime=01:58:00 TimeLimit=02:00:00"
TIME_IS_OVER = "JobState=COMPLETING Restarts=0 RunTime=02:00:20 TimeLimit=02:00:00"
CANCELLED = "JobState=COMPLETING Restarts=0 PreemptTime=None RunTime=00:00:20 TimeLimit=UNLIMITED"
PREEMPTED = "JobState=COMPLETING Restarts=0 PreemptTime=2026-11-21T05:36:26"
IN_GRACE_TIME = "JobState=RUNNING Restarts=0 PreemptTime=2026-11-21T05:36:38"
REQUEUED_BY_SLURM = "JobState=COMPLETING Restarts=1"


def fields(text: str | None) -> dict[str, str] | None:
    return None if text is None else dict(word.split("=") for word in text.split())


@pytest.mark.parametrize(
    ("number", "text", "wanted"),
    [
        (signal.SIGUSR1, TIME_IS_NEAR, True),
        (signal.SIGTERM, CANCELLED, False),
        (signal.SIGTERM, TIME_IS_NEAR, False),
        (signal.SIGTERM, TIME_IS_OVER, True),
        (signal.SIGTERM, PREEMPTED, True),
        (signal.SIGTERM, IN_GRACE_TIME, True),
        (signal.SIGTERM, REQUEUED_BY_SLURM, True),
        (signal.SIGTERM, None, False),
        (None, TIME_IS_NEAR, False),
    ],
)
def test_only_what_the_user_did_not_end_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals | None,
    text: str | None,
    wanted: bool,
) -> None:
    monkeypatch.setattr(client, "job_fields", lambda job: fields(text))
    assert job().is_wanted(number) is wanted


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What is asked of Slurm, which does not allow to requeue."""
    found: list[tuple[str, ...]] = []

    def submit(script: Path, *arguments: str) -> str:
        found.append(("submit", script.name, *arguments))
        return "8"

    monkeypatch.setattr(client, "requeue", lambda job: bool(found.append(("requeue", job))))
    monkeypatch.setattr(client, "cancel", lambda job: found.append(("cancel", job)))
    monkeypatch.setattr(client, "submit", submit)
    monkeypatch.setattr(client, "job_fields", lambda job: {"Restarts": "0"})
    return found


def test_a_job_that_may_not_be_requeued_is_submitted_again(
    tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    assert not job(tmp_path, earlier=2).go_on()
    assert calls == [("requeue", "7"), ("submit", "batch.sh", "3")]
    assert (tmp_path / "job").read_text() == "8"


def test_there_is_an_end_to_going_on(
    tmp_path: Path, calls: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not job(tmp_path, earlier=3).go_on()
    assert calls == []
    assert "max_requeues: 3" in capsys.readouterr().out


def test_what_slurm_has_requeued_is_not_submitted_too(
    tmp_path: Path, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "job_fields", lambda job: {"Restarts": "1"})
    assert job(tmp_path).go_on()
    assert calls == []


def test_another_node_reads_what_it_takes(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    before = job(tmp_path / "my runs", earlier=2)
    assert Continuation.read(parser.parse_args(before.words())) == before


@pytest.mark.parametrize(
    ("text", "node", "in_charge"),
    [
        ("JobState=RUNNING Restarts=0 BatchHost=a NodeList=b,c", "b", True),
        ("JobState=RUNNING Restarts=0 BatchHost=a NodeList=b,c", "c", False),
        ("JobState=RUNNING Restarts=0 BatchHost=a NodeList=a,b,c", "b", False),
        ("JobState=RUNNING Restarts=1 BatchHost=a NodeList=b,c", "b", False),
        ("JobState=PENDING Restarts=0 NodeList=(null)", "b", False),
        (None, "b", False),
    ],
)
def test_one_node_takes_care_of_a_job_without_its_first(
    monkeypatch: pytest.MonkeyPatch, text: str | None, node: str, in_charge: bool
) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", node)
    monkeypatch.setattr(client, "job_fields", lambda job: fields(text))
    monkeypatch.setattr(client, "hostnames", lambda text: text.split(","))
    assert FirstNodeWatch("127.0.0.1:9", job()).is_in_charge() is in_charge


def test_the_others_do_not_wait_for_a_job_that_does_not_go_on(
    tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    FirstNodeWatch("127.0.0.1:9", job(tmp_path)).go_on()
    assert calls == [("requeue", "7"), ("submit", "batch.sh", "1"), ("cancel", "7")]
    assert "submitted again as job 8" in (tmp_path / "7.log").read_text()


def test_only_ports_that_answer_are_seen(taken: int) -> None:
    assert not FirstNodeWatch(f"127.0.0.1:{taken}", job()).sees_head()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert FirstNodeWatch(f"127.0.0.1:{server.getsockname()[1]}", job()).sees_head()


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of sbatch."""
    path = tmp_path / "bin" / "sbatch"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


def test_a_batch_script_is_submitted_as_it_is(
    tmp_path: Path, sbatch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new job inherits nothing of one that submits it, nor from variables for its options."""
    names = "SLURM_MEM_PER_CPU SBATCH_TIMELIMIT SBATCH_SIGNAL SBATCH_ARRAY_INX SBATCH_NO_REQUEUE"
    kept = "SLURM_CONF SBATCH_QOS MY"
    for name in f"{names} {kept}".split():
        monkeypatch.setenv(name, "set")
    (tmp_path / "batch.sh").write_text("#!/bin/bash\n#SBATCH --time=5\n")
    sbatch.write_text(f"#!/bin/bash\nenv > {tmp_path}/seen\necho Welcome!\necho '12;here'\n")
    assert client.submit(tmp_path / "batch.sh") == "12"
    seen = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert seen >= {*kept.split()}
    assert seen.isdisjoint(names.split())


def test_a_job_that_can_neither_be_requeued_nor_submitted_says_so(
    tmp_path: Path,
    sbatch: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sbatch.write_text("#!/bin/bash\necho 'sbatch: error: Access denied' >&2\nexit 1\n")
    (tmp_path / "batch.sh").touch()
    for name in ("requeue", "job_fields"):
        monkeypatch.setattr(client, name, lambda job: None)
    assert not job(tmp_path).go_on()
    assert "(Access denied). The same command continues." in capsys.readouterr().out
    assert not (tmp_path / "job").exists()


def test_a_slurm_that_does_not_answer_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else nobody would know why a job that has ended is followed on and on."""
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "job").write_text("7")
    answers = iter(
        [{}, {}, {"JobState": "PENDING", "Reason": "Priority"}, {"JobState": "CANCELLED"}]
    )
    monkeypatch.setattr(client, "job_fields", lambda job: next(answers))
    monkeypatch.setattr(slurm, "POLL_S", 0.0)
    monkeypatch.setattr(slurm.time, "sleep", lambda seconds: None)
    assert slurm.SlurmJob(tmp_path).follow() == slurm.EXIT_INTERRUPTED
    assert capsys.readouterr().out.splitlines() == [
        "Slurm does not answer now; job 7 may have ended.",
        "Job 7 waits (Priority).",
        "Job 7 ended: CANCELLED. The same command continues.",
    ]
