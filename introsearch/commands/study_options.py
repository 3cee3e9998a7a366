"""The study and the cluster that options name, and the batch script of both."""

from __future__ import annotations

import argparse
from pathlib import Path

from introsearch.cluster.file import INLINE, LOCAL, Cluster, SlurmCluster, load_cluster
from introsearch.execution.slurm.script import job_script
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study


def study_of(options: argparse.Namespace) -> Study:
    """The study that the options describe.

    Raises:
        ConfigError: its file is not legal.
    """
    return load_study(options.file, overrides=options.overrides, name=options.name)


def cluster_of(options: argparse.Namespace) -> Cluster:
    """Where it runs.

    Raises:
        ConfigError: the cluster file is not legal.
    """
    if options.cluster is None:
        return LOCAL
    return INLINE if options.cluster == INLINE.type else load_cluster(options.cluster)


def runs_dir_of(options: argparse.Namespace, cluster: Cluster) -> Path:
    """The folder of all files, where the cluster's machines see it.

    Raises:
        ConfigError: they do not.
    """
    runs_dir: Path = options.runs_dir
    return cluster.in_shared_folder(runs_dir) if isinstance(cluster, SlurmCluster) else runs_dir


def batch_script(options: argparse.Namespace, study: Study, cluster: SlurmCluster) -> str:
    """The batch script in which the same study is run by the same options.

    Raises:
        ConfigError: Slurm cannot write into the study's folder.
    """
    runs_dir = runs_dir_of(options, cluster)
    command = ["run", str(Path(options.file).resolve()), f"--runs-dir={runs_dir}"]
    command += [f"--set={override}" for override in options.overrides]
    if options.data_dir is not None:
        command.append(f"--data-dir={options.data_dir.expanduser().absolute()}")
    command += ["--accept-edit"] if "accept_edit" in options and options.accept_edit else []
    command += [f"--name={options.name}"] if options.name else []
    command += [f"--tracking-uri={options.tracking_uri}"] if options.tracking_uri else []
    return job_script(cluster, command, name=study.name, folder=runs_dir / study.name)
