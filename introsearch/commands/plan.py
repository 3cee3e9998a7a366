"""`introsearch plan`: what a study would run, and what that would take."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from introsearch.cluster.file import Cluster, SlurmCluster
from introsearch.commands.options import EXIT_DONE, use_folders
from introsearch.commands.study_options import batch_script, cluster_of, runs_dir_of, study_of
from introsearch.errors import ConfigError
from introsearch.execution.machine import check_resources, local_cpus
from introsearch.execution.preflight.stage_1 import check_stage_1
from introsearch.planning.gpu_memory import GpuMemory
from introsearch.planning.plan import plan_dict, plan_text
from introsearch.planning.summary import StudyCosts
from introsearch.planning.text import costs_text
from introsearch.record.address import existing_uri, without_password
from introsearch.study.model import Study
from introsearch.study.search.expand import Expansion, expand


def run(options: argparse.Namespace) -> int:
    """Print the plan, its costs if wanted, and the batch script if a Slurm job would run it."""
    study, cluster = study_of(options), cluster_of(options)
    runs_dir = runs_dir_of(options, cluster)
    use_folders(options, runs_dir=runs_dir)
    check_stage_1(study, overrides=options.overrides, tracking_uri=options.tracking_uri)
    expansion = expand(study)
    script = None
    if isinstance(cluster, SlurmCluster):
        script = without_password(batch_script(options, study, cluster))
    if options.json:
        plan = plan_dict(study, expansion)
        if options.costs:
            plan["costs"] = _costs(options, study, expansion, cluster, runs_dir=runs_dir).to_dict()
        if script is not None:
            plan["batch_script"] = script
        print(json.dumps(plan, indent=2))
        return EXIT_DONE
    print(plan_text(study, expansion), flush=True)
    if options.costs:
        costs = _costs(options, study, expansion, cluster, runs_dir=runs_dir)
        gpus, hours = study.resources.gpus, study.budget.max_hours
        print(f"\n{costs_text(costs, gpus=gpus, max_hours=hours)}")
    if script is not None:
        print(f"\n`run` would submit this to Slurm:\n\n{script}", end="")
    return EXIT_DONE


def _costs(
    options: argparse.Namespace,
    study: Study,
    expansion: Expansion,
    cluster: Cluster,
    *,
    runs_dir: Path,
) -> StudyCosts:
    """Measured on this machine, and for it or for the cluster; memory of GPUs also as recorded."""
    check_resources(study.resources)
    # Late: it trains, and so needs torch, for which a plan without costs does not wait.
    from introsearch.planning.measured import measured_costs

    def notify(text: str) -> None:
        print(text, file=sys.stderr)

    costs = measured_costs(study, expansion, cluster, cpus=local_cpus(), notify=notify)
    if costs.gpu_memory is None and study.resources.gpus:
        return replace(costs, gpu_memory=_recorded(options, study, runs_dir=runs_dir))
    return costs


def _recorded(options: argparse.Namespace, study: Study, *, runs_dir: Path) -> GpuMemory | None:
    """What trials of the study took of their GPUs where they ran, if there is a record of any."""
    try:
        uri = existing_uri(runs_dir, options.tracking_uri)
    except ConfigError:
        return None
    # Late: they need MLflow, for which other plans do not wait.
    from introsearch.record.gpu_memory import recorded_gpu_memory
    from introsearch.record.store import open_store

    return recorded_gpu_memory(open_store(uri), study.name)
