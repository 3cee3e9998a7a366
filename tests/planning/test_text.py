"""What a study would take, in words."""

from __future__ import annotations

from dataclasses import replace

from introsearch.planning.gpu_memory import GpuMemory
from introsearch.planning.summary import StageCosts, StudyCosts
from introsearch.planning.text import costs_text
from introsearch.study.sections import Resources

SELECT = StageCosts(
    seconds=720_000, expected_seconds=360_000, longest_seconds=3_600, disk_bytes=1e9
)
REPORT = StageCosts(
    seconds=36_000, expected_seconds=36_000, longest_seconds=3_600, disk_bytes=234e6
)
NOTHING = StageCosts(seconds=0, expected_seconds=0, longest_seconds=0, disk_bytes=0)


def test_on_gpus() -> None:
    resources = Resources(cpus=1, gpus=0.25)
    costs = StudyCosts(select=SELECT, report=REPORT, resources=resources, parallel_trials=10)
    costs = replace(costs, gpu_memory=GpuMemory(2 * 2**30, 24 * 2**30))
    assert costs_text(costs, gpus=0.25).splitlines() == [
        "select stage: 25 GPU-hours expected, 50 GPU-hours without early termination",
        "report stage: 2.5 GPU-hours",
        "wall-clock: about 11.0 h, 10 trials at a time",
        "GPU memory: a trial holds up to 2 GiB of 24 GiB; 8 fit at a time, with "
        "resources.gpus: 0.125",
        "disk: at most 1.23 GB of checkpoints, figures and records",
        "timed just now on this machine, one trial at a time, on its GPU",
    ]


def test_on_cores_with_nothing_to_select() -> None:
    resources = Resources(cpus=2, gpus=0)
    costs = StudyCosts(select=NOTHING, report=SELECT, resources=resources, parallel_trials=1)
    lines = costs_text(costs).splitlines()
    assert lines[0] == "report stage: 200 core-hours expected, 400 core-hours " + (
        "without early termination"
    )
    assert lines[1].endswith("1 trial at a time")
    assert lines[-1].endswith("on its CPU")


def test_runs_that_end_before_the_study_does() -> None:
    resources = Resources(cpus=1, gpus=0.25)
    costs = StudyCosts(select=SELECT, report=REPORT, resources=resources, parallel_trials=10)
    lines = costs_text(costs, max_hours=2).splitlines()  # of 11
    assert lines[3] == (
        "budget.max_hours: 2 ends a run before that; "
        "the same command, about 6 times, comes to the end"
    )
    assert costs_text(costs, max_hours=11) == costs_text(costs)
