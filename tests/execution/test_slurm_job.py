"""What a job makes of what Slurm tells it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from introsearch.execution import slurm_client, slurm_job
from introsearch.execution.slurm_job import (
    Allocation,
    address_towards,
    cpu_counts,
    free_port,
    go_on_later,
    must_go_on,
    step_environment,
)
from introsearch.execution.slurm_node import num_gpus

JOB = Allocation(job="7", nodes=("a", "b"), cpus=(1, 1), restarts=0)


def test_cpus_of_every_node() -> None:
    assert cpu_counts("8(x2),4") == [8, 8, 4]
    assert cpu_counts("72") == [72]
    assert cpu_counts("1,2(x1),3(x3)") == [1, 2, 3, 3, 3]


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
    assert taken >= slurm_job.FIRST_PORT
    assert free_port(123) not in (taken, free_port(5_000))
    assert free_port(10**9) < slurm_job.FIRST_PORT + slurm_job.NUM_PORTS


def test_the_address_is_one_that_others_reach() -> None:
    assert address_towards("127.0.0.1") == "127.0.0.1"
    assert address_towards("no.such.machine.invalid") == socket.gethostname()


# What Slurm 22.05 says of a job whose batch script has just got a signal.
TIME_IS_NEAR = "JobState=RUNNING Restarts=0"
CANCELLED = "JobState=COMPLETING Restarts=0 PreemptTime=None"
PREEMPTED = "JobState=COMPLETING Restarts=0 PreemptTime=2026-11-21T05:36:26"
IN_GRACE_TIME = "JobState=RUNNING Restarts=0 PreemptTime=2026-11-21T05:36:38"
REQUEUED_BY_SLURM = "JobState=COMPLETING Restarts=1"


@pytest.mark.parametrize(
    ("number", "fields", "goes_on"),
    [
        (signal.SIGUSR1, TIME_IS_NEAR, True),
        (signal.SIGTERM, CANCELLED, False),
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
    fields: str | None,
    goes_on: bool,
) -> None:
    answer = None if fields is None else dict(word.split("=") for word in fields.split())
    monkeypatch.setattr(slurm_client, "job_fields", lambda job: answer)
    assert must_go_on(number, JOB) is goes_on


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What is asked of Slurm, which does not allow to requeue."""
    found: list[tuple[str, ...]] = []

    def submit(script: Path, *arguments: str) -> str:
        found.append(("submit", script.name, *arguments))
        return "8"

    monkeypatch.setattr(slurm_client, "requeue", lambda job: bool(found.append(("requeue", job))))
    monkeypatch.setattr(slurm_client, "submit", submit)
    monkeypatch.setattr(slurm_client, "job_fields", lambda job: {"Restarts": "0"})
    return found


def test_a_job_that_may_not_be_requeued_is_submitted_again(
    tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    go_on_later(JOB, folder=tmp_path, earlier=2, max_requeues=3)
    assert calls == [("requeue", "7"), ("submit", "batch.sh", "3")]
    assert (tmp_path / "job").read_text() == "8"


def test_there_is_an_end_to_going_on(
    tmp_path: Path, calls: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    go_on_later(JOB, folder=tmp_path, earlier=3, max_requeues=3)
    assert calls == []
    assert "max_requeues: 3" in capsys.readouterr().out


def test_what_slurm_has_requeued_is_not_submitted_too(
    tmp_path: Path, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_client, "job_fields", lambda job: {"Restarts": "1"})
    go_on_later(JOB, folder=tmp_path, earlier=0, max_requeues=3)
    assert calls == []
