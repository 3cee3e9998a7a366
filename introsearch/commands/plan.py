"""`introsearch plan`: what a study would run, and what that would take."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from introsearch.commands.options import (
    EXIT_DONE,
    Commands,
    add_data_options,
    add_store_options,
    add_study_options,
    check_stage_1,
    load,
    load_cluster,
    use_folders,
)
from introsearch.commands.run import batch_script

if TYPE_CHECKING:
    from introsearch.cluster.file import Cluster
    from introsearch.planning.summary import StudyCosts
    from introsearch.study.model import Study
    from introsearch.study.search.expand import Expansion


def add_plan(commands: Commands) -> None:
    """Add the command to a parser's."""
    plan = commands.add_parser(
        "plan",
        help="say what a study would run",
        description="Count trials; start nothing and record nothing.",
    )
    add_study_options(plan)
    add_store_options(plan)
    add_data_options(plan)
    plan.add_argument(
        "--costs",
        action="store_true",
        help="time some forty iterations of each kind of trial on this machine, and say what the "
        "study would take: hours, wall-clock, disk",
    )
    plan.add_argument("--json", action="store_true", help="print everything as JSON")
    plan.set_defaults(command=_plan)


def _plan(options: argparse.Namespace) -> int:
    from introsearch.cluster.file import SlurmCluster
    from introsearch.planning.plan import plan_dict, plan_text
    from introsearch.record.address import without_password
    from introsearch.study.search.expand import expand

    use_folders(options)
    study, cluster = load(options), load_cluster(options)
    check_stage_1(study, options)
    expansion = expand(study)
    script = None
    if isinstance(cluster, SlurmCluster):
        script = without_password(batch_script(options, study, cluster))
    if options.json:
        plan = plan_dict(study, expansion)
        if options.costs:
            plan["costs"] = _costs(study, expansion, cluster).to_dict()
        if script is not None:
            plan["batch_script"] = script
        print(json.dumps(plan, indent=2))
        return EXIT_DONE
    print(plan_text(study, expansion), flush=True)
    if options.costs:
        costs = _costs(study, expansion, cluster)
        from introsearch.planning.text import costs_text

        print(f"\n{costs_text(costs, max_hours=study.budget.max_hours)}")
    if script is not None:
        print(f"\n`run` would submit this to Slurm:\n\n{script}", end="")
    return EXIT_DONE


def _costs(study: Study, expansion: Expansion, cluster: Cluster) -> StudyCosts:
    """Measured on this machine, and for it or for the cluster."""
    from introsearch.execution.ray.environment import check_resources, local_cpus

    check_resources(study.resources)
    from introsearch.cluster.file import LocalCluster, SlurmCluster
    from introsearch.cluster.job_size import JobSize, job_size
    from introsearch.planning.calibration import local_resources, measure_kinds
    from introsearch.planning.costs import study_costs

    def notify(text: str) -> None:
        print(text, file=sys.stderr)

    resources, gpus = local_resources(study.resources)
    size = job_size(cluster) if isinstance(cluster, SlurmCluster) else None
    if size is not None:
        devices = f"{size.gpus} GPUs" if resources.gpus else f"{size.cpus} cores"
        notify(f"Wall-clock is for a job with {devices}, each as fast as this machine's.")
    elif not isinstance(cluster, LocalCluster):
        notify(
            "The cluster file does not say how many cores there are: "
            "wall-clock is for this machine."
        )
    if size is None:
        size = JobSize(cpus=local_cpus(), gpus=gpus)
    measured = measure_kinds(study, expansion, resources, notify=notify)
    return study_costs(
        study, expansion, measured, resources=resources, cpus=size.cpus, gpus=size.gpus
    )
