"""What the trials of a study have taken of their GPUs."""

from __future__ import annotations

from mlflow import MlflowClient

from introsearch.planning.gpu_memory import GpuMemory
from introsearch.record.runs import read_seed_runs
from introsearch.record.store import store_errors
from introsearch.trial.evaluation import SYSTEM
from introsearch.trial.usage import GPU, PEAK_GPU


@store_errors
def recorded_gpu_memory(client: MlflowClient, name: str) -> GpuMemory | None:
    """The most that any trial of a study held, and the least that a GPU of them had.

    Returns:
        None if the store has no such study, or none of its trials used a GPU.

    Raises:
        RecordError: the store cannot be read.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return None
    wanted = peak, total = SYSTEM + PEAK_GPU, SYSTEM + GPU
    runs = read_seed_runs(client, experiment.experiment_id, attributes=(), metrics=wanted)
    found = [(r.metrics[peak].value, r.metrics[total].value) for r in runs if peak in r.metrics]
    if not found:
        return None
    peaks, totals = zip(*found, strict=True)
    return GpuMemory(int(max(peaks)), int(min(totals)), is_recorded=True)
