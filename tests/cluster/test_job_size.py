"""What a job gets, from sbatch's options."""

from __future__ import annotations

from pathlib import Path

import pytest

from introsearch.cluster.file import SlurmCluster, load_cluster
from introsearch.cluster.job_size import JobSize, job_size


def size_of(folder: Path, sbatch: str) -> JobSize | None:
    path = folder / "c.yaml"
    path.write_text(f"type: slurm\nsbatch: {{{sbatch}}}\n")
    cluster = load_cluster(path)
    assert isinstance(cluster, SlurmCluster)
    return job_size(cluster)


@pytest.mark.parametrize(
    ("sbatch", "cpus", "gpus"),
    [
        ("nodes: 2, cpus-per-task: 8", 16, 0),
        ("ntasks: 16, cpus-per-task: 8", 128, 0),
        ("ntasks: 16", 16, 0),
        ("nodes: 2-4, ntasks-per-node: 3", 6, 0),
        ("cpus-per-task: 8, gpus: 3", 8, 3),
        ("nodes: 2, exclusive: true, gpus-per-node: a100:4, cpus-per-task: 64", 128, 8),
        ("nodes: 2, cpus-per-task: 8, gres: 'gpu:a100:2,nvme:5'", 16, 4),
        ("nodes: 2, cpus-per-task: 8, gres: gpu", 16, 2),
        ("nodes: 2, cpus-per-task: 8, gres: nvme:5", 16, 0),
        ("cpus-per-task: 8, gpus: 'v100:3,a100:2'", 8, 5),
        ("ntasks: 4, gpus-per-task: 1", 4, 4),
    ],
)
def test_sizes(tmp_path: Path, sbatch: str, cpus: int, gpus: int) -> None:
    assert size_of(tmp_path, sbatch) == JobSize(cpus=cpus, gpus=gpus)


@pytest.mark.parametrize("sbatch", ["nodes: 2", "nodes: 2, exclusive: true, gpus-per-node: 4"])
def test_what_the_file_does_not_say(tmp_path: Path, sbatch: str) -> None:
    assert size_of(tmp_path, sbatch) is None
