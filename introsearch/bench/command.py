"""`introsearch bench`: how fast trainers are on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from introsearch.errors import ConfigError

if TYPE_CHECKING:
    from introsearch.bench.measurement import Measurement


def add_bench(commands: Any) -> None:
    """Add the command to the sub-parsers of `introsearch`."""
    bench = commands.add_parser(
        "bench",
        help="measure how fast trainers are here",
        description="Time an iteration of every variant of a study, or of some of the 2D "
        "benchmark's, against a plain implementation and this machine's matrix products.",
    )
    bench.add_argument("file", metavar="STUDY", nargs="?", help="study file (YAML)")
    bench.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the file, e.g. parameters.batch_size=64; repeatable",
    )
    bench.add_argument(
        "--threads", type=int, help="CPU threads (default: the study's resources.cpus, or 1)"
    )
    bench.add_argument("--json", action="store_true", help="print everything as JSON")
    bench.set_defaults(command=_bench)


def _bench(options: argparse.Namespace) -> int:
    from introsearch.bench.run import default_orders, run_bench, study_orders
    from introsearch.study.loader import load_study

    if options.threads is not None and options.threads < 1:
        raise ConfigError(f"must be at least 1, not {options.threads}", key="--threads")
    if options.file is None:
        if options.overrides:
            raise ConfigError("changes a study, and none is given", key="--set")
        orders = default_orders(threads=options.threads or 1)
    else:
        study = load_study(options.file, overrides=options.overrides)
        orders = study_orders(study, threads=options.threads)
    measured = run_bench(orders, notify=lambda text: print(text, file=sys.stderr, flush=True))
    _show(measured, as_json=options.json)
    return int(any(isinstance(m, str) for m in measured.values()))


def _show(measured: dict[str, Measurement | str], *, as_json: bool) -> None:
    from introsearch.bench.measurement import bench_text

    if not as_json:
        print(bench_text(measured))
        return
    values = {n: {"error": m} if isinstance(m, str) else m.to_dict() for n, m in measured.items()}
    print(json.dumps(values, indent=2))
