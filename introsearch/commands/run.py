"""`introsearch run`: a study, here, on a Ray cluster, or as a Slurm job."""

from __future__ import annotations

import argparse
from pathlib import Path

from introsearch.cluster.file import InlineCluster, LocalCluster, RayCluster, SlurmCluster
from introsearch.commands.options import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
    store_options,
    use_folders,
)
from introsearch.commands.study_options import batch_script, cluster_of, runs_dir_of, study_of
from introsearch.errors import ConfigError
from introsearch.execution.machine import check_resources
from introsearch.execution.preflight.compiler import prepare_compiler
from introsearch.execution.preflight.data import prepare_data
from introsearch.execution.preflight.stage_1 import check_stage_1
from introsearch.execution.ray.environment import check_cluster, prepare_environment
from introsearch.execution.signals import ending_signals_interrupt
from introsearch.execution.slurm.submit import SlurmJob, check_slurm, submit_study
from introsearch.record.address import check_uri, default_uri
from introsearch.study.model import Study
from introsearch.study.search.expand import expand

_EXITS = {
    "complete": EXIT_DONE,
    "incomplete": EXIT_SOME_FAILED,
    "interrupted": EXIT_INTERRUPTED,
}


def run(options: argparse.Namespace) -> int:
    """Run the study to its end, or submit a job that does."""
    with ending_signals_interrupt():
        study, cluster = study_of(options), cluster_of(options)
        if isinstance(cluster, SlurmCluster):
            return _submit(options, study, cluster)
        if options.detach:
            hint = "leave it out, or give a cluster file of type slurm with --cluster"
            raise ConfigError("only a Slurm job runs by itself", key="--detach", hint=hint)
        return _run_here(options, study, cluster)


def _run_here(
    options: argparse.Namespace, study: Study, cluster: InlineCluster | LocalCluster | RayCluster
) -> int:
    """Run it in this process, or from it, by a Ray of this machine or of a cluster."""
    runs_dir: Path = options.runs_dir
    uri = options.tracking_uri or default_uri(runs_dir)
    check_uri(uri, folder_will_exist=runs_dir)
    if isinstance(cluster, RayCluster):
        check_cluster(cluster)
    else:
        check_resources(study.resources)
        prepare_compiler(study)
    _prepare(study, options, runs_dir=runs_dir)
    if not isinstance(cluster, InlineCluster):
        prepare_environment(cluster)
    # Late: it takes seconds, and Ray reads the environment that was just prepared.
    from introsearch.execution.session import run_study

    ending = run_study(
        study,
        cluster,
        uri=uri,
        folder=runs_dir / study.name,
        accept_edit=options.accept_edit,
        store_options=store_options(options),
    )
    return _EXITS[ending]


def _submit(options: argparse.Namespace, study: Study, cluster: SlurmCluster) -> int:
    """Submit the study as a job, unless there is one that runs it already, and follow it."""
    check_slurm(cluster)
    runs_dir = runs_dir_of(options, cluster)
    check_uri(options.tracking_uri or default_uri(runs_dir), folder_will_exist=runs_dir)
    _prepare(study, options, runs_dir=runs_dir)  # here there may be an internet
    job = SlurmJob(runs_dir / study.name)
    submit_study(job, cluster, batch_script(options, study, cluster))
    return EXIT_DONE if options.detach else job.follow()


def _prepare(study: Study, options: argparse.Namespace, *, runs_dir: Path) -> None:
    """What the study's trials start from must be there and sound."""
    use_folders(options, runs_dir=runs_dir)
    check_stage_1(study, overrides=options.overrides, tracking_uri=options.tracking_uri)
    prepare_data(expand(study), download=options.download, notify=print)
