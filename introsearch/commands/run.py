"""`introsearch run`: a study, here, on a Ray cluster, or as a Slurm job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from introsearch.commands.options import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
    Commands,
    add_data_options,
    add_store_options,
    add_study_options,
    check_stage_1,
    load,
    load_cluster,
    store_options,
    use_folders,
)
from introsearch.errors import ConfigError
from introsearch.statuses import Status

if TYPE_CHECKING:
    from introsearch.cluster.file import SlurmCluster
    from introsearch.execution.progress import Progress
    from introsearch.results.result import StudyResult
    from introsearch.study.model import Study


def add_run(commands: Commands) -> None:
    """Add the command to a parser's."""
    run = commands.add_parser(
        "run",
        help="run a study, or continue it",
        description="Run a study to its end. Whatever is recorded already is not run again.",
    )
    add_study_options(run)
    add_store_options(run)
    run.add_argument(
        "--accept-edit",
        action="store_true",
        help="go on although the file no longer means what recorded trials were run for",
    )
    add_data_options(run)
    run.add_argument(
        "--download", action="store_true", help="fetch data sets that are not in the data folder"
    )
    run.add_argument(
        "--detach", action="store_true", help="submit the Slurm job and do not follow its log"
    )
    run.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from introsearch.execution.signals import ending_signals_interrupt

    with ending_signals_interrupt():
        return _run_study(options)


def _run_study(options: argparse.Namespace) -> int:
    from introsearch.cluster.file import RayCluster, SlurmCluster

    study, cluster = load(options), load_cluster(options)
    if isinstance(cluster, SlurmCluster):
        return _submit(options, study, cluster)
    if options.detach:
        hint = "leave it out, or give a cluster file of type slurm with --cluster"
        raise ConfigError("only a Slurm job runs by itself", key="--detach", hint=hint)

    from introsearch.execution.preflight.data import prepare_compiler
    from introsearch.execution.ray.environment import (
        check_cluster,
        check_resources,
        prepare_environment,
    )
    from introsearch.record.address import check_uri, default_uri, without_password

    runs_dir: Path = options.runs_dir
    uri = options.tracking_uri or default_uri(runs_dir)
    check_uri(uri, folder_will_exist=runs_dir)
    if isinstance(cluster, RayCluster):
        check_cluster(cluster)
    else:
        check_resources(study.resources)
        prepare_compiler(study)
    _prepare(study, options, runs_dir=runs_dir)
    prepare_environment(cluster)

    from introsearch.execution.lock import locked
    from introsearch.execution.progress import Progress
    from introsearch.execution.study_runner import Interrupted, StudyRunner
    from introsearch.record.refusal import refuse_edit
    from introsearch.record.store import open_store, opening

    client = open_store(uri)
    folder = runs_dir / study.name
    progress = Progress()
    with locked(folder), progress:
        with opening(uri):
            if not options.accept_edit:
                refuse_edit(client, study)
            runner = StudyRunner(
                study, client=client, folder=folder, progress=progress, cluster=cluster
            )
        progress.say(f"Study {study.name}: files in {folder}, MLflow store {without_password(uri)}")
        try:
            result = runner.run()
        except Interrupted as reason:
            progress.say(f"Stopped: {reason}. The same command continues.")
            return EXIT_INTERRUPTED
        return _finish(result, folder, progress, store=store_options(options))


def _prepare(study: Study, options: argparse.Namespace, *, runs_dir: Path) -> None:
    """What the study's trials start from must be there and sound."""
    from introsearch.execution.preflight.data import prepare_data
    from introsearch.study.search.expand import expand

    use_folders(options, runs_dir=runs_dir)
    check_stage_1(study, options)
    prepare_data(expand(study), download=options.download, notify=print)


def _submit(options: argparse.Namespace, study: Study, cluster: SlurmCluster) -> int:
    """Submit the study as a job, unless there is one that runs it already, and follow it."""
    from introsearch.execution.slurm.submit import SlurmJob, check_slurm, submit_study
    from introsearch.record.address import check_uri, default_uri

    check_slurm(cluster)
    runs_dir = cluster.in_shared_folder(options.runs_dir)
    check_uri(options.tracking_uri or default_uri(runs_dir), folder_will_exist=runs_dir)
    _prepare(study, options, runs_dir=runs_dir)  # here there may be an internet
    job = SlurmJob(runs_dir / study.name)
    submit_study(job, cluster, batch_script(options, study, cluster))
    return EXIT_DONE if options.detach else job.follow()


def batch_script(options: argparse.Namespace, study: Study, cluster: SlurmCluster) -> str:
    """The batch script in which the same study is run by the same options."""
    from introsearch.execution.slurm.submit import job_script

    runs_dir = cluster.in_shared_folder(options.runs_dir)
    command = ["run", str(Path(options.file).resolve()), f"--runs-dir={runs_dir}"]
    command += [f"--set={override}" for override in options.overrides]
    if options.data_dir is not None:
        command.append(f"--data-dir={options.data_dir.expanduser().absolute()}")
    command += ["--accept-edit"] if "accept_edit" in options and options.accept_edit else []
    command += [f"--name={options.name}"] if options.name else []
    command += [f"--tracking-uri={options.tracking_uri}"] if options.tracking_uri else []
    return job_script(cluster, command, name=study.name, folder=runs_dir / study.name)


def _finish(result: StudyResult, folder: Path, progress: Progress, *, store: str) -> int:
    """Print and keep what the study found."""
    from introsearch.files import write_atomically

    for fmt in ("md", "csv", "tex"):
        write_atomically(folder / f"table.{fmt}", result.table(fmt).encode())
    text = f"\nChosen configurations\n\n{result.chosen_table('md')}\n{result.table('md')}"
    progress.say(text)
    progress.say(f"Tables and figures: {folder}")
    progress.say(f"Figures of the search, as a page: introsearch report {result.study.name}{store}")
    progress.say(f"Every run, in the browser: introsearch ui {result.study.name}{store}")
    statuses = result.frame["status"]
    without = [group for group, identity in result.chosen.items() if identity is None]
    for group in without:
        progress.say(f"No trial finished in {group}{_bad_ends(result, group)}.")
    failed = int((statuses == Status.FAILED).sum())
    if failed:
        progress.say(f"{failed} of {len(statuses)} trials failed: see {folder / 'failures'}")
    of_study = result.summary[result.summary["metric"] == result.study.metric.name]
    incomplete = bool((of_study["missing"] > 0).any()) or not (statuses == Status.FINISHED).any()
    return EXIT_SOME_FAILED if failed or without or incomplete else EXIT_DONE


def _bad_ends(result: StudyResult, group: str) -> str:
    """How often trials of a group diverged and failed, with a reason of each."""

    runs = result.frame[[group in groups for groups in result.frame["groups"]]]
    ends = [
        f"{len(ended)} {status} ({ended['reason'].iloc[0]})"
        for status in (Status.DIVERGED, Status.FAILED)
        if not (ended := runs[runs["status"] == status]).empty
    ]
    return f": {', '.join(ends)}" if ends else ""
