"""Options that commands share, what they mean, and how commands end.

Imports next to nothing: it is read before it is known which command will run.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from introsearch.data.folder import set_data_folder
from introsearch.files import set_runs_folder
from introsearch.record.address import existing_uri, without_password

EXIT_DONE, EXIT_SOME_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Options of commands that take a study file."""
    parser.add_argument("file", metavar="FILE", help="study file (YAML)")
    add_override_option(parser)
    parser.add_argument("--name", help="run it under another name, with a record of its own")
    parser.add_argument(
        "--cluster",
        metavar="FILE",
        help="cluster file: where it runs (default: this machine), or inline: in this process",
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


def use_folders(options: argparse.Namespace, *, runs_dir: Path | None = None) -> None:
    """Have data sets and earlier trials looked for where the options say.

    Args:
        options: of a command with data and store options.
        runs_dir: in place of the option.
    """
    set_runs_folder(runs_dir or options.runs_dir)
    if options.data_dir is not None:
        set_data_folder(options.data_dir)


def store_options(options: argparse.Namespace) -> str:
    """The options that name the same store to another command."""
    parts = (
        []
        if options.runs_dir == Path("runs")
        else [f"--runs-dir {shlex.quote(str(options.runs_dir))}"]
    )
    if options.tracking_uri:
        parts.append(f"--tracking-uri {shlex.quote(without_password(options.tracking_uri))}")
    return "".join(f" {part}" for part in parts)


def store_uri(options: argparse.Namespace) -> str:
    """The address of the store that the options name, which must be there already.

    Raises:
        ConfigError: there is none.
    """
    return existing_uri(options.runs_dir, options.tracking_uri)
