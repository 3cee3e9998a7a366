"""What a study would take, from times that are measured on this machine."""

from __future__ import annotations

from collections.abc import Callable

from introsearch.cluster.file import Cluster, InlineCluster, LocalCluster, SlurmCluster
from introsearch.cluster.job_size import JobSize, job_size
from introsearch.planning.calibration import local_resources, measure_kinds
from introsearch.planning.costs import study_costs
from introsearch.planning.summary import StudyCosts
from introsearch.study.model import Study
from introsearch.study.search.expand import Expansion


def measured_costs(
    study: Study,
    expansion: Expansion,
    cluster: Cluster,
    *,
    cpus: int,
    notify: Callable[[str], None],
) -> StudyCosts:
    """Time a short trial of every kind, and add up what the study takes where it would run.

    Args:
        study: the study.
        expansion: of the study.
        cluster: where it would run.
        cpus: cores of this machine.
        notify: is told which machine the times are for, and what is being timed.
    """
    resources, gpus = local_resources(study.resources)
    size = job_size(cluster) if isinstance(cluster, SlurmCluster) else None
    if size is not None:
        devices = f"{size.gpus} GPUs" if resources.gpus else f"{size.cpus} cores"
        notify(f"Wall-clock is for a job with {devices}, each as fast as this machine's.")
    elif not isinstance(cluster, InlineCluster | LocalCluster):
        notify(
            "The cluster file does not say how many cores there are: "
            "wall-clock is for this machine."
        )
    if size is None:
        size = JobSize(cpus=cpus, gpus=gpus)
    measured = measure_kinds(study, expansion, resources, notify=notify)
    if isinstance(cluster, InlineCluster):
        study = study.changed(budget=study.budget.changed(max_concurrent_trials=1))
    return study_costs(
        study, expansion, measured, resources=resources, cpus=size.cpus, gpus=size.gpus
    )
