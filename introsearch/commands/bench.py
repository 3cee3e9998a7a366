"""`introsearch bench`: how fast trainers are on this machine."""

from __future__ import annotations

import argparse
import json
import sys

from introsearch.bench.measurement import Measurement, bench_text
from introsearch.bench.run import default_orders, run_bench, study_orders
from introsearch.commands.options import EXIT_DONE, EXIT_SOME_FAILED, use_folders
from introsearch.errors import ConfigError
from introsearch.execution.preflight.stage_1 import check_stage_1
from introsearch.study.file.loader import load_study
from introsearch.trial.order import TrialOrder


def run(options: argparse.Namespace) -> int:
    """Measure one variant after the other; `EXIT_SOME_FAILED` if one could not be measured."""
    if options.threads is not None and options.threads < 1:
        raise ConfigError(f"must be at least 1, not {options.threads}", key="--threads")
    orders = _orders(options)
    measured = run_bench(orders, notify=lambda text: print(text, file=sys.stderr, flush=True))
    _show(measured, as_json=options.json)
    has_failed = any(isinstance(m, str) for m in measured.values())
    return EXIT_SOME_FAILED if has_failed else EXIT_DONE


def _orders(options: argparse.Namespace) -> dict[str, TrialOrder]:
    """What is to be measured, by variant."""
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
    check_stage_1(study, overrides=options.overrides, tracking_uri=options.tracking_uri)
    return study_orders(study, threads=options.threads)


def _show(measured: dict[str, Measurement | str], *, as_json: bool) -> None:
    if not as_json:
        print(bench_text(measured))
        return
    values = {n: {"error": m} if isinstance(m, str) else m.to_dict() for n, m in measured.items()}
    print(json.dumps(values, indent=2))
