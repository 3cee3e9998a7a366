"""`introsearch bench`: how fast trainers are on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from introsearch.commands.options import (
    EXIT_DONE,
    EXIT_SOME_FAILED,
    Commands,
    add_data_options,
    add_override_option,
    add_store_options,
    check_stage_1,
    use_folders,
)
from introsearch.errors import ConfigError

if TYPE_CHECKING:
    from introsearch.bench.measurement import Measurement
    from introsearch.trial.order import TrialOrder


def add_bench(commands: Commands) -> None:
    """Add the command to a parser's."""
    bench = commands.add_parser(
        "bench",
        help="measure how fast trainers are here",
        description="Time an iteration of every variant of a study, or of some of the 2D "
        "benchmark's, against a plain implementation and this machine's matrix products.",
    )
    bench.add_argument("file", metavar="STUDY", nargs="?", help="study file (YAML)")
    add_override_option(bench)
    bench.add_argument(
        "--threads", type=int, help="CPU threads (default: the study's resources.cpus, or 1)"
    )
    add_store_options(bench)
    add_data_options(bench)
    bench.add_argument("--json", action="store_true", help="print everything as JSON")
    bench.set_defaults(command=_bench)


def _bench(options: argparse.Namespace) -> int:
    if options.threads is not None and options.threads < 1:
        raise ConfigError(f"must be at least 1, not {options.threads}", key="--threads")
    orders = _orders(options)
    from introsearch.bench.run import run_bench

    measured = run_bench(orders, notify=lambda text: print(text, file=sys.stderr, flush=True))
    _show(measured, as_json=options.json)
    has_failed = any(isinstance(m, str) for m in measured.values())
    return EXIT_SOME_FAILED if has_failed else EXIT_DONE


def _orders(options: argparse.Namespace) -> dict[str, TrialOrder]:
    """What is to be measured, by variant."""
    from introsearch.bench.run import default_orders, study_orders
    from introsearch.study.file.loader import load_study

    if options.file is None:
        of_studies = {
            "--set": options.overrides,
            "--data-dir": options.data_dir,
            "--tracking-uri": options.tracking_uri,
        }
        for key, value in of_studies.items():
            if value:
                raise ConfigError("is for a study, and none is given", key=key)
        return default_orders(threads=options.threads or 1)
    use_folders(options)
    study = load_study(options.file, overrides=options.overrides)
    check_stage_1(study, options)
    return study_orders(study, threads=options.threads)


def _show(measured: dict[str, Measurement | str], *, as_json: bool) -> None:
    from introsearch.bench.measurement import bench_text

    if not as_json:
        print(bench_text(measured))
        return
    values = {n: {"error": m} if isinstance(m, str) else m.to_dict() for n, m in measured.items()}
    print(json.dumps(values, indent=2))
