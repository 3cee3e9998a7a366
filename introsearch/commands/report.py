"""`introsearch report`: a study's table, and a folder with its report."""

from __future__ import annotations

import argparse
from pathlib import Path

from introsearch.commands.options import EXIT_DONE, store_options, store_uri
from introsearch.record.results import read_result, read_study
from introsearch.record.store import Store, open_store
from introsearch.results.result import StudyResult


def run(options: argparse.Namespace) -> int:
    """Print the table; write the report too, and attach it, unless a format is given."""
    client = open_store(store_uri(options))
    result = read_result(client, read_study(client, options.name))
    print(result.table(options.format or "md"))
    if not options.format:
        folder = options.out or options.runs_dir / options.name / "report"
        _write(client, result, folder, store_options=store_options(options))
    return EXIT_DONE


def _write(client: Store, result: StudyResult, folder: Path, *, store_options: str) -> None:
    # Late: it takes matplotlib along, which a table does not need.
    from introsearch.record.report import attach_report, read_report, runs_url
    from introsearch.results.report.files import write_report

    name = result.study.name
    url = runs_url(client, name)
    report = read_report(client, result)
    write_report(report, folder, store_options=store_options, runs_url=url)
    attach_report(client, name, folder)
    print(f"Report: {folder / 'index.html'}")
