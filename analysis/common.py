"""What the scripts of this folder share: their options, and the study they read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from introsearch.errors import ConfigError, IntrosearchError
from introsearch.record.address import existing_uri
from introsearch.record.results import read_result, read_study
from introsearch.record.store import Store, open_store
from introsearch.results.result import StudyResult
from introsearch.results.tables.formats import FORMATS

MODELS = {  # headings of the papers' columns by this project's usual names of variants
    "vae": "VAE", "sg": "SG", "mog": "MoG", "ip": "IP", "mog_lc": "MoG (LC)", "ip_lc": "IP (LC)",
}  # fmt: skip


def parser(text: str, *, study: str) -> argparse.ArgumentParser:
    """Options of a script: which study, and where it is recorded."""
    options = argparse.ArgumentParser(description=text.partition("\n")[0])
    options.add_argument("--study", default=study, metavar="NAME", help=f"(default: {study})")
    options.add_argument("--runs-dir", type=Path, default=Path("runs"), help="(default: runs)")
    options.add_argument("--tracking-uri", metavar="URI", help="an MLflow server or database")
    return options


def read(options: argparse.Namespace) -> tuple[Store, StudyResult]:
    """The study that the options name.

    Raises:
        ConfigError: no such store or study.
    """
    client = open_store(existing_uri(options.runs_dir, options.tracking_uri))
    return client, read_result(client, read_study(client, options.study))


def print_table(
    text: str,
    *,
    study: str,
    ours: Callable[[StudyResult, str], str],
    published: Callable[[StudyResult, str], str],
) -> None:
    """Run a script that prints a table, and end with the exit code of `introsearch`.

    Args:
        text: the script's docstring.
        study: the name of the study that is read unless another is given.
        ours: the table in a format.
        published: the same with ``--published``.
    """
    options = parser(text, study=study)
    options.add_argument("--format", choices=FORMATS, default="md", help="(default: md)")
    options.add_argument("--published", action="store_true", help="beside the published numbers")
    run(options, lambda o: print((published if o.published else ours)(read(o)[1], o.format)))


def run(options: argparse.ArgumentParser, command: Callable[[argparse.Namespace], None]) -> None:
    """Parse the command line, and do `command`; errors are one line, as those of `introsearch`."""
    try:
        command(options.parse_args())
    except IntrosearchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
