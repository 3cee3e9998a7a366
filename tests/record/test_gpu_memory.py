"""The peak of a study's trials, from its record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlflow import MlflowClient

from introsearch.planning.gpu_memory import GpuMemory
from introsearch.record.gpu_memory import recorded_gpu_memory
from introsearch.record.recorder import open_recorder
from introsearch.statuses import Status
from introsearch.study.search.expand import expand, select_trials
from introsearch.trial.evaluation import Evaluation
from tests.conftest import Load


def test_the_largest_peak_and_the_smallest_gpu(
    client: MlflowClient, load: Load, small: str, tmp_path: Path
) -> None:
    study = load(small)
    assert recorded_gpu_memory(client, study.name) is None
    recorder = open_recorder(client, study, folder=tmp_path)
    taken = (
        {},
        {"peak_gpu_bytes": 3.0, "gpu_bytes": 9.0},
        {"peak_gpu_bytes": 2.0, "gpu_bytes": 8.0},
    )
    evaluation = Evaluation(
        iteration=10, status=Status.RUNNING, metrics={}, timestamp_ms=1, seconds=1.0
    )
    for trial, system in zip(select_trials(study, expand(study)), taken, strict=False):
        assert recorded_gpu_memory(client, study.name) in (None, GpuMemory(3, 9, is_recorded=True))
        recorder.start(trial)
        recorder.log(trial, [replace(evaluation, system=dict(system))], rungs=())
    assert recorded_gpu_memory(client, study.name) == GpuMemory(3, 8, is_recorded=True)
