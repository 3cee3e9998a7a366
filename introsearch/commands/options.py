"""Options that commands share, what they mean, and how commands end."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from introsearch.cluster.file import Cluster
    from introsearch.study.model import Study

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EXIT_DONE, EXIT_SOME_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Options of commands that take a study file."""
    parser.add_argument("file", metavar="FILE", help="study file (YAML)")
    add_override_option(parser)
    parser.add_argument("--name", help="run it under another name, with a record of its own")
    parser.add_argument(
        "--cluster", metavar="FILE", help="cluster file: where it runs (default: this machine)"
    )


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """The option that changes a study file's values."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the file, e.g. iterations=500 or budget.max_hours=2; repeatable",
    )


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Options that say where records and files are."""
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), help="folder of all files (default: runs)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store or server (default: SQLite, mlflow.db in the runs folder)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The option that says where image data are."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder of image data sets (default: the variable INTROSEARCH_DATA, or data)",
    )


def load(options: argparse.Namespace) -> Study:
    """The study that the options describe.

    Raises:
        ConfigError: its file is not legal.
    """
    from introsearch.study.file.loader import load_study

    return load_study(options.file, overrides=options.overrides, name=options.name)


def load_cluster(options: argparse.Namespace) -> Cluster:
    """Where it runs.

    Raises:
        ConfigError: the cluster file is not legal.
    """
    from introsearch.cluster.file import LOCAL, load_cluster

    return LOCAL if options.cluster is None else load_cluster(options.cluster)


def use_folders(options: argparse.Namespace, *, runs_dir: Path | None = None) -> None:
    """Have data sets and earlier trials looked for where the options say.

    Args:
        options: of a command with data and store options.
        runs_dir: in place of the option.
    """
    from introsearch.files import set_runs_folder

    set_runs_folder(runs_dir or options.runs_dir)
    if options.data_dir is not None:
        from introsearch.data.folder import set_data_folder

        set_data_folder(options.data_dir)


def check_stage_1(study: Study, options: argparse.Namespace) -> None:
    """See `execution.preflight.stage_1.check_stage_1`."""
    from introsearch.execution.preflight.stage_1 import check_stage_1

    check_stage_1(study, overrides=options.overrides, tracking_uri=options.tracking_uri)


def store_options(options: argparse.Namespace) -> str:
    """The options that name the same store to another command."""
    parts = (
        []
        if options.runs_dir == Path("runs")
        else [f"--runs-dir {shlex.quote(str(options.runs_dir))}"]
    )
    if options.tracking_uri:
        from introsearch.record.address import without_password

        parts.append(f"--tracking-uri {shlex.quote(without_password(options.tracking_uri))}")
    return "".join(f" {part}" for part in parts)


def open_record(options: argparse.Namespace) -> MlflowClient:
    """A client of a store that is there already."""
    from introsearch.record.address import existing_uri

    uri = existing_uri(options.runs_dir, options.tracking_uri)
    from introsearch.record.store import open_store

    return open_store(uri)
