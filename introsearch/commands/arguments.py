"""What every command is called, says of itself and takes.

For a further command, add an entry to `COMMANDS` and a module of its name with a function
`run(options) -> int`, which returns the exit code. That module is imported when the command runs.
This one is read at every start, and therefore imports next to nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from introsearch.commands.options import (
    add_data_options,
    add_override_option,
    add_store_options,
    add_study_options,
    store_uri,
)

# Settings of `collapse predict` of which each may have several values, and their help.
COLLAPSE_SETTINGS = {
    "beta": "weights of the KL, of a vae or cvae (default: 1)",
    "eta_dec": "standard deviations of the decoder, in units of the data (default: 1)",
    "eta_enc": "standard deviations of the prior (default: 1)",
    "beta1": "weights of the first KL of an hvae (default: 1)",
    "beta2": "weights of its second KL (default: 1)",
    "sigma1": "fixed standard deviations of q(z1|x) of an hvae (default: learnt)",
    "sigma2": "fixed standard deviations of q(z2|z1) of an hvae (default: learnt)",
}


class Command(NamedTuple):  # not a dataclass: that module would take a tenth of the start
    """A command of `introsearch`.

    Attributes:
        name: also of its module in this package.
        help: a line in the list of all commands.
        description: what it does, in its own help.
        add_arguments: adds what it takes to its parser.
        check: raises a ConfigError for options that are wrong, before the module is imported,
            which may take seconds.
    """

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    check: Callable[[argparse.Namespace], object] = lambda options: None


def _run(run: argparse.ArgumentParser) -> None:
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


def _plan(plan: argparse.ArgumentParser) -> None:
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


def _check(check: argparse.ArgumentParser) -> None:
    add_study_options(check)
    add_store_options(check)
    add_data_options(check)


def _report(report: argparse.ArgumentParser) -> None:
    report.add_argument("name", metavar="NAME", help="the study's name")
    report.add_argument(
        "--format", choices=("md", "csv", "tex"), help="print the table so, and write nothing"
    )
    report.add_argument(
        "--out", type=Path, metavar="DIR", help="(default: report, in the study's folder)"
    )
    add_store_options(report)


def _status(status: argparse.ArgumentParser) -> None:
    status.add_argument("name", metavar="NAME", help="the study's name")
    status.add_argument("--trials", action="store_true", help="list every trial too")
    status.add_argument("--json", action="store_true", help="print everything as JSON")
    add_store_options(status)


def _add_trial(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "trial", metavar="TRIAL", help="its name, an unambiguous start of it, or its MLflow run id"
    )
    command.add_argument("--study", metavar="NAME", help="if several studies have the trial")


def _logs(logs: argparse.ArgumentParser) -> None:
    _add_trial(logs)
    logs.add_argument(
        "-f", "--follow", action="store_true", help="go on with what is added, until Ctrl-C"
    )
    add_store_options(logs)


def _replay(replay: argparse.ArgumentParser) -> None:
    _add_trial(replay)
    replay.add_argument("--figures", type=Path, metavar="DIR", help="draw its figures there")
    add_store_options(replay)
    add_data_options(replay)


def _ui(ui: argparse.ArgumentParser) -> None:
    ui.add_argument("name", metavar="NAME", nargs="?", help="a study (default: list them all)")
    ui.add_argument("--port", type=int, help="(default: 5000, or the next free one)")
    add_store_options(ui)


def _schema(schema: argparse.ArgumentParser) -> None:
    schema.add_argument("file", choices=("study", "cluster"), help="which file's")
    schema.add_argument("--markdown", action="store_true", help="a reference to read instead")


def _bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("file", metavar="STUDY", nargs="?", help="study file (YAML)")
    add_override_option(bench)
    bench.add_argument(
        "--threads", type=int, help="CPU threads (default: the study's resources.cpus, or 1)"
    )
    add_store_options(bench)
    add_data_options(bench)
    bench.add_argument("--json", action="store_true", help="print everything as JSON")


def _collapse(collapse: argparse.ArgumentParser) -> None:
    actions = collapse.add_subparsers(required=True, metavar="ACTION")
    predict = actions.add_parser(
        "predict",
        help="active modes and KL for every combination of the settings given",
        description="Say which latent modes collapse, for every combination of the settings "
        "given, from the spectrum of the data alone: nothing is trained.",
    )
    _collapse_model(predict)
    for name, text in COLLAPSE_SETTINGS.items():
        option = f"--{name.replace('_', '-')}"
        predict.add_argument(option, type=float, nargs="+", metavar="X", help=text)
    predict.add_argument(
        "--sigma", type=float, nargs="+", metavar="X",
        help="of a vae or cvae: fixed posterior standard deviations, one for all latent "
        "dimensions or one for each (default: learnt)",
    )  # fmt: skip
    predict.add_argument("--figure", type=Path, metavar="PNG", help="draw it there")
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--data-dir", type=Path, help="folder of data sets (default: data)")
    predict.add_argument("--download", action="store_true", help="download missing data sets")


def _collapse_model(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "--data", required=True, metavar="NAME|FILE", help="a data set, or a .npy file [N, ...]"
    )
    predict.add_argument("--model", default="vae", help="vae, cvae or hvae (default: vae)")
    predict.add_argument(
        "--condition",
        metavar="FILE|quadrant|label",
        help="of a cvae: a .npy file with a row per sample; or of images the bottom left quadrant, "
        "the rest being the data (default for images), or the label, a dimension each",
    )
    predict.add_argument("--label", type=int, help="only images with this label")
    predict.add_argument("--latents", type=int, default=16, help="of each latent (default: 16)")
    predict.add_argument(
        "--latents-z2", type=int, metavar="N",
        help="fewer, of z2 of an hvae with --sigma1 and without --sigma2",
    )  # fmt: skip


COMMANDS = (
    Command(
        name="run",
        help="run a study, or continue it",
        description="Run a study to its end. Whatever is recorded already is not run again.",
        add_arguments=_run,
    ),
    Command(
        name="plan",
        help="say what a study would run",
        description="Count trials; start nothing and record nothing.",
        add_arguments=_plan,
    ),
    Command(
        name="check",
        help="try every kind of trial of a study, within seconds",
        description="Train a trial of each variant and data set for a few iterations in this "
        "process, evaluate it by every metric on few samples, draw it, write and read its "
        "checkpoint, and say all that is wrong. Nothing is recorded.",
        add_arguments=_check,
    ),
    Command(
        name="report",
        help="write a study's report: tables, figures and an HTML page",
        description="Print a recorded study's table, and write a folder with its report: an HTML "
        "page that needs nothing else, and the tables and figures as files. The folder is attached "
        "to the study's MLflow run too. With --format, print the table alone.",
        add_arguments=_report,
        check=store_uri,
    ),
    Command(
        name="status",
        help="say where a study stands, during a run or after",
        description="Say where a study stands, from its record alone: during a run or after.",
        add_arguments=_status,
        check=store_uri,
    ),
    Command(
        name="logs",
        help="print what a trial's code has printed and logged",
        description="Print what trainers, metrics and your own modules have printed and logged in "
        "a trial, and how its evaluations went.",
        add_arguments=_logs,
        check=store_uri,
    ),
    Command(
        name="replay",
        help="run a recorded trial again and compare",
        description="Run a recorded trial again, in this process, and compare all that it "
        "measures. Nothing is written to the record.",
        add_arguments=_replay,
        check=store_uri,
    ),
    Command(
        name="ui",
        help="look at the record in a browser",
        description="Serve MLflow's pages of the record to this machine alone, until Ctrl-C.",
        add_arguments=_ui,
        check=store_uri,
    ),
    Command(
        name="schema",
        help="print the JSON Schema of a file, for editors",
        description="Print the JSON Schema of a file, with which editors complete and check it.",
        add_arguments=_schema,
    ),
    Command(
        name="bench",
        help="measure how fast trainers are here",
        description="Time an iteration of every variant of a study, or of some of the 2D "
        "benchmark's, against a plain implementation and this machine's matrix products.",
        add_arguments=_bench,
    ),
    Command(
        name="collapse",
        help="predict posterior collapse from data alone",
        description="Posterior collapse of linear VAEs, known before any training.",
        add_arguments=_collapse,
    ),
)
