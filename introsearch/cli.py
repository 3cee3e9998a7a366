"""The command line: `introsearch run | plan | report | status | replay | ui | bench | collapse`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from introsearch import __version__
from introsearch.bench.command import add_bench
from introsearch.collapse_command import add_collapse
from introsearch.errors import ConfigError, IntrosearchError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from introsearch.execution.progress import Progress
    from introsearch.results.result import StudyResult
    from introsearch.study.cluster import Cluster, SlurmCluster
    from introsearch.study.cost_summary import StudyCosts
    from introsearch.study.expand import Expansion
    from introsearch.study.model import Study

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EXIT_DONE, EXIT_SOME_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 some trials failed; 2 bad input, nothing was started; 130 interrupted, the same
    command continues.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except IntrosearchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_SOME_FAILED
    except KeyboardInterrupt:
        print("interrupted: the same command continues", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_SOME_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="introsearch",
        description="Hyper-parameter search for introspective VAEs and learned latent priors.",
    )
    parser.add_argument("--version", action="version", version=f"introsearch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for add in (_add_run, _add_plan, _add_report, _add_status, _add_replay, _add_ui, _add_schema):
        add(commands)
    add_bench(commands)
    add_collapse(commands)
    return parser


def _add_run(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="run a study, or continue it",
        description="Run a study to its end. Whatever is recorded already is not run again.",
    )
    _add_study_options(run)
    _add_store_options(run)
    run.add_argument(
        "--accept-edit",
        action="store_true",
        help="go on although the file no longer means what recorded trials were run for",
    )
    _add_data_options(run)
    run.add_argument(
        "--download", action="store_true", help="fetch data sets that are not in the data folder"
    )
    run.add_argument(
        "--detach", action="store_true", help="submit the Slurm job and do not follow its log"
    )
    run.set_defaults(command=_run)


def _add_plan(commands: Commands) -> None:
    plan = commands.add_parser(
        "plan",
        help="say what a study would run",
        description="Count trials; start nothing and record nothing.",
    )
    _add_study_options(plan)
    _add_store_options(plan)
    _add_data_options(plan)
    plan.add_argument(
        "--costs",
        action="store_true",
        help="time some forty iterations of each kind of trial on this machine, and say what the "
        "study would take: hours, wall-clock, disk",
    )
    plan.add_argument("--json", action="store_true", help="print everything as JSON")
    plan.set_defaults(command=_plan)


def _add_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report",
        help="write a study's report: tables, figures and an HTML page",
        description="Print a recorded study's table, and write a folder with its report: an HTML "
        "page that needs nothing else, and the tables and figures as files. The folder is attached "
        "to the study's MLflow run too. With --format, print the table alone.",
    )
    report.add_argument("name", metavar="NAME", help="the study's name")
    report.add_argument(
        "--format", choices=("md", "csv", "tex"), help="print the table so, and write nothing"
    )
    report.add_argument(
        "--out", type=Path, metavar="DIR", help="(default: report, in the study's folder)"
    )
    _add_store_options(report)
    report.set_defaults(command=_report)


def _add_status(commands: Commands) -> None:
    status = commands.add_parser(
        "status",
        help="say where a study stands, during a run or after",
        description="Say where a study stands, from its record alone: during a run or after.",
    )
    status.add_argument("name", metavar="NAME", help="the study's name")
    status.add_argument("--trials", action="store_true", help="list every trial too")
    status.add_argument("--json", action="store_true", help="print everything as JSON")
    _add_store_options(status)
    status.set_defaults(command=_status)


def _add_replay(commands: Commands) -> None:
    replay = commands.add_parser(
        "replay",
        help="run a recorded trial again and compare",
        description="Run a recorded trial again, in this process, and compare all that it "
        "measures. Nothing is written to the record.",
    )
    replay.add_argument(
        "trial", metavar="TRIAL", help="its name, an unambiguous start of it, or its MLflow run id"
    )
    replay.add_argument("--study", metavar="NAME", help="if several studies have the trial")
    replay.add_argument("--figures", type=Path, metavar="DIR", help="draw its figures there")
    _add_store_options(replay)
    _add_data_options(replay)
    replay.set_defaults(command=_replay)


def _add_ui(commands: Commands) -> None:
    ui = commands.add_parser(
        "ui",
        help="look at the record in a browser",
        description="Serve MLflow's pages of the record to this machine alone, until Ctrl-C.",
    )
    ui.add_argument("name", metavar="NAME", nargs="?", help="a study (default: list them all)")
    ui.add_argument("--port", type=int, help="(default: 5000, or the next free one)")
    _add_store_options(ui)
    ui.set_defaults(command=_ui)


def _add_schema(commands: Commands) -> None:
    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of a file, for editors",
        description="Print the JSON Schema of a file, with which editors complete and check it.",
    )
    schema.add_argument("file", choices=("study", "cluster"), help="which file's")
    schema.set_defaults(command=_schema)


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="study file (YAML)")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the file, e.g. iterations=500 or budget.max_hours=2; repeatable",
    )
    parser.add_argument("--name", help="run it under another name, with a record of its own")
    parser.add_argument(
        "--cluster", metavar="FILE", help="cluster file: where it runs (default: this machine)"
    )


def _add_store_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), help="folder of all files (default: runs)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store or server (default: SQLite, mlflow.db in the runs folder)",
    )


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder of image data sets (default: the variable INTROSEARCH_DATA, or data)",
    )


def _use_folders(options: argparse.Namespace, *, runs_dir: Path | None = None) -> None:
    from introsearch.trial_files import set_runs_folder

    set_runs_folder(runs_dir or options.runs_dir)
    if options.data_dir is not None:
        from introsearch.data.folder import set_data_folder

        set_data_folder(options.data_dir)


def _plan(options: argparse.Namespace) -> int:
    from introsearch.study.cluster import SlurmCluster
    from introsearch.study.expand import expand
    from introsearch.study.plan import plan_dict, plan_text
    from introsearch.tracking.address import without_password

    _use_folders(options)
    study, cluster = _load(options), _load_cluster(options)
    _check_stage_1(study, options)
    expansion = expand(study)
    script = None
    if isinstance(cluster, SlurmCluster):
        script = without_password(_script(options, study, cluster))
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
        from introsearch.results.costs_text import costs_text

        print(f"\n{costs_text(costs)}")
    if script is not None:
        print(f"\n`run` would submit this to Slurm:\n\n{script}", end="")
    return EXIT_DONE


def _costs(study: Study, expansion: Expansion, cluster: Cluster) -> StudyCosts:
    """Measured on this machine, and for it or for the cluster."""
    from introsearch.execution.environment import check_resources, local_cpus

    check_resources(study.resources)
    from introsearch.calibration import local_resources, measure_kinds
    from introsearch.study.cluster import LocalCluster, SlurmCluster
    from introsearch.study.costs import study_costs
    from introsearch.study.job_size import JobSize, job_size

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


def _run(options: argparse.Namespace) -> int:
    from introsearch.execution.signals import ending_signals_interrupt

    with ending_signals_interrupt():
        return _run_study(options)


def _run_study(options: argparse.Namespace) -> int:
    from introsearch.study.cluster import RayCluster, SlurmCluster

    study, cluster = _load(options), _load_cluster(options)
    if isinstance(cluster, SlurmCluster):
        return _submit(options, study, cluster)
    if options.detach:
        hint = "leave it out, or give a cluster file of type slurm with --cluster"
        raise ConfigError("only a Slurm job runs by itself", key="--detach", hint=hint)

    from introsearch.execution.environment import (
        check_cluster,
        check_resources,
        prepare_environment,
    )
    from introsearch.tracking.address import check_uri, default_uri, without_password

    runs_dir: Path = options.runs_dir
    uri = options.tracking_uri or default_uri(runs_dir)
    check_uri(uri, folder_will_exist=runs_dir)
    if isinstance(cluster, RayCluster):
        check_cluster(cluster)
    else:
        check_resources(study.resources)
    _prepare(study, options, runs_dir=runs_dir)
    prepare_environment(cluster)

    from introsearch.execution.lock import locked
    from introsearch.execution.progress import Progress
    from introsearch.execution.study_runner import Interrupted, StudyRunner
    from introsearch.tracking.refusal import refuse_edit
    from introsearch.tracking.store import open_store, opening

    client = open_store(uri)
    folder = runs_dir / study.name
    progress = Progress(_groups(study), metric=study.metric.name, goal=study.metric.goal)
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
        return _finish(result, folder, progress, store=_store_options(options))


def _prepare(study: Study, options: argparse.Namespace, *, runs_dir: Path) -> None:
    """What the study's trials start from must be there and sound."""
    from introsearch.execution.preparation import prepare_data
    from introsearch.study.expand import expand

    _use_folders(options, runs_dir=runs_dir)
    _check_stage_1(study, options)
    prepare_data(expand(study), download=options.download, notify=print)


def _check_stage_1(study: Study, options: argparse.Namespace) -> None:
    from introsearch.execution.stage_1 import check_stage_1

    check_stage_1(study, overrides=options.overrides, tracking_uri=options.tracking_uri)


def _submit(options: argparse.Namespace, study: Study, cluster: SlurmCluster) -> int:
    """Submit the study as a job, unless there is one that runs it already, and follow it."""
    from introsearch.execution.slurm import SlurmJob, check_slurm, submit_study
    from introsearch.tracking.address import check_uri, default_uri

    check_slurm(cluster)
    runs_dir = cluster.in_shared_folder(options.runs_dir)
    check_uri(options.tracking_uri or default_uri(runs_dir), folder_will_exist=runs_dir)
    _prepare(study, options, runs_dir=runs_dir)  # here there may be an internet
    job = SlurmJob(runs_dir / study.name)
    submit_study(job, cluster, _script(options, study, cluster))
    return EXIT_DONE if options.detach else job.follow()


def _script(options: argparse.Namespace, study: Study, cluster: SlurmCluster) -> str:
    """The batch script in which the same study is run by the same options."""
    from introsearch.execution.slurm import job_script

    runs_dir = cluster.in_shared_folder(options.runs_dir)
    command = ["run", str(Path(options.file).resolve()), f"--runs-dir={runs_dir}"]
    command += [f"--set={override}" for override in options.overrides]
    if options.data_dir is not None:
        command.append(f"--data-dir={options.data_dir.expanduser().absolute()}")
    command += ["--accept-edit"] if "accept_edit" in options and options.accept_edit else []
    command += [f"--name={options.name}"] if options.name else []
    command += [f"--tracking-uri={options.tracking_uri}"] if options.tracking_uri else []
    return job_script(cluster, command, name=study.name, folder=runs_dir / study.name)


def _store_options(options: argparse.Namespace) -> str:
    """The options that name the same store to another command."""
    parts = (
        []
        if options.runs_dir == Path("runs")
        else [f"--runs-dir {shlex.quote(str(options.runs_dir))}"]
    )
    if options.tracking_uri:
        from introsearch.tracking.address import without_password

        parts.append(f"--tracking-uri {shlex.quote(without_password(options.tracking_uri))}")
    return "".join(f" {part}" for part in parts)


def _finish(result: StudyResult, folder: Path, progress: Progress, *, store: str) -> int:
    """Print and keep what the study found."""
    from introsearch.results.record import FAILED, FINISHED
    from introsearch.trial_files import write_atomically

    for fmt in ("md", "csv", "tex"):
        write_atomically(folder / f"table.{fmt}", result.table(fmt).encode())
    text = f"\nChosen configurations\n\n{result.chosen_table('md')}\n\n{result.table('md')}\n"
    progress.say(text)
    progress.say(f"Tables and figures: {folder}")
    progress.say(f"Figures of the search, as a page: introsearch report {result.study.name}{store}")
    progress.say(f"Every run, in the browser: introsearch ui {result.study.name}{store}")
    statuses = result.frame["status"]
    without = [group for group, identity in result.chosen.items() if identity is None]
    for group in without:
        progress.say(f"No trial finished in {group}.")
    failed = int((statuses == FAILED).sum())
    if failed:
        progress.say(f"{failed} of {len(statuses)} trials failed: see {folder / 'failures'}")
    of_study = result.summary[result.summary["metric"] == result.study.metric.name]
    incomplete = bool((of_study["missing"] > 0).any()) or not (statuses == FINISHED).any()
    return EXIT_SOME_FAILED if failed or without or incomplete else EXIT_DONE


def _report(options: argparse.Namespace) -> int:
    client = _open_record(options)
    from introsearch.results.result import read_result, read_study

    result = read_result(client, read_study(client, options.name))
    print(result.table(options.format or "md"))
    if options.format:
        return EXIT_DONE
    from introsearch.results.report import make_report
    from introsearch.results.report_files import write_report
    from introsearch.tracking.report import attach_report, runs_url

    folder = options.out or options.runs_dir / options.name / "report"
    url = runs_url(client, options.name)
    report = make_report(client, result)
    write_report(report, folder, store_options=_store_options(options), runs_url=url)
    attach_report(client, options.name, folder)
    print(f"Report: {folder / 'index.html'}")
    return EXIT_DONE


def _status(options: argparse.Namespace) -> int:
    client = _open_record(options)
    from introsearch.execution.lock import is_locked
    from introsearch.execution.status_text import show_status
    from introsearch.tracking.trials import read_status

    active = is_locked(options.runs_dir / options.name)
    status = read_status(client, options.name, active=active)
    if options.json:
        print(json.dumps(status.to_dict(), indent=2))
    else:
        show_status(status, all_trials=options.trials)
    return EXIT_DONE


def _replay(options: argparse.Namespace) -> int:
    client = _open_record(options)
    _use_folders(options)
    from introsearch.tracking.find import find_trial

    run = find_trial(client, options.trial, study=options.study)
    from introsearch.execution.replay import replay
    from introsearch.execution.replay_text import replay_progress, replay_text

    with replay_progress() as notify:
        result = replay(client, run, figures=options.figures, notify=notify)
    print(replay_text(result))
    return EXIT_DONE if result.matches else EXIT_SOME_FAILED


def _ui(options: argparse.Namespace) -> int:
    client = _open_record(options)
    from introsearch.tracking.ui import show_pages

    show_pages(client, options.name, port=options.port)
    return EXIT_DONE


def _open_record(options: argparse.Namespace) -> MlflowClient:
    """A client of a store that is there already."""
    from introsearch.tracking.address import existing_uri

    uri = existing_uri(options.runs_dir, options.tracking_uri)
    from introsearch.tracking.store import open_store

    return open_store(uri)


def _schema(options: argparse.Namespace) -> int:
    from introsearch.study.cluster_schema import cluster_schema
    from introsearch.study.schema import study_schema

    schema = study_schema() if options.file == "study" else cluster_schema()
    print(json.dumps(schema, indent=2))
    return EXIT_DONE


def _load(options: argparse.Namespace) -> Study:
    from introsearch.study.loader import load_study

    return load_study(options.file, overrides=options.overrides, name=options.name)


def _load_cluster(options: argparse.Namespace) -> Cluster:
    from introsearch.study.cluster import LOCAL, load_cluster

    return LOCAL if options.cluster is None else load_cluster(options.cluster)


def _groups(study: Study) -> Sequence[str]:
    from introsearch.study.expand import expand

    return expand(study).groups
