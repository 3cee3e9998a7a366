"""Commands that read a record: `introsearch report | status | replay | ui`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from introsearch.commands.options import (
    EXIT_DONE,
    EXIT_SOME_FAILED,
    Commands,
    add_data_options,
    add_store_options,
    open_record,
    store_options,
    use_folders,
)


def add_report(commands: Commands) -> None:
    """Add the command to a parser's."""
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
    add_store_options(report)
    report.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    client = open_record(options)
    from introsearch.record.results import read_result, read_study

    result = read_result(client, read_study(client, options.name))
    print(result.table(options.format or "md"))
    if options.format:
        return EXIT_DONE
    from introsearch.record.report import attach_report, read_report, runs_url
    from introsearch.results.report.files import write_report

    folder = options.out or options.runs_dir / options.name / "report"
    url = runs_url(client, options.name)
    report = read_report(client, result)
    write_report(report, folder, store_options=store_options(options), runs_url=url)
    attach_report(client, options.name, folder)
    print(f"Report: {folder / 'index.html'}")
    return EXIT_DONE


def add_status(commands: Commands) -> None:
    """Add the command to a parser's."""
    status = commands.add_parser(
        "status",
        help="say where a study stands, during a run or after",
        description="Say where a study stands, from its record alone: during a run or after.",
    )
    status.add_argument("name", metavar="NAME", help="the study's name")
    status.add_argument("--trials", action="store_true", help="list every trial too")
    status.add_argument("--json", action="store_true", help="print everything as JSON")
    add_store_options(status)
    status.set_defaults(command=_status)


def _status(options: argparse.Namespace) -> int:
    client = open_record(options)
    from introsearch.execution.lock import is_locked
    from introsearch.record.status import read_status
    from introsearch.results.status.text import show_status

    active = is_locked(options.runs_dir / options.name)
    status = read_status(client, options.name, active=active)
    if options.json:
        print(json.dumps(status.to_dict(), indent=2))
    else:
        show_status(status, all_trials=options.trials)
    return EXIT_DONE


def add_replay(commands: Commands) -> None:
    """Add the command to a parser's."""
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
    add_store_options(replay)
    add_data_options(replay)
    replay.set_defaults(command=_replay)


def _replay(options: argparse.Namespace) -> int:
    client = open_record(options)
    use_folders(options)
    from introsearch.record.find import find_trial

    run = find_trial(client, options.trial, study=options.study)
    from introsearch.replay.repeat import replay
    from introsearch.replay.text import replay_progress, replay_text

    with replay_progress() as notify:
        result = replay(client, run, figures=options.figures, notify=notify)
    print(replay_text(result))
    return EXIT_DONE if result.matches else EXIT_SOME_FAILED


def add_ui(commands: Commands) -> None:
    """Add the command to a parser's."""
    ui = commands.add_parser(
        "ui",
        help="look at the record in a browser",
        description="Serve MLflow's pages of the record to this machine alone, until Ctrl-C.",
    )
    ui.add_argument("name", metavar="NAME", nargs="?", help="a study (default: list them all)")
    ui.add_argument("--port", type=int, help="(default: 5000, or the next free one)")
    add_store_options(ui)
    ui.set_defaults(command=_ui)


def _ui(options: argparse.Namespace) -> int:
    client = open_record(options)
    from introsearch.record.ui import show_pages

    show_pages(client, options.name, port=options.port)
    return EXIT_DONE
