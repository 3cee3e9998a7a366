"""`introsearch check`: whether a study's trials work, within seconds and before any is run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from introsearch.cluster.file import InlineCluster, LocalCluster
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE, use_folders
from introsearch.commands.study_options import cluster_of, runs_dir_of, study_of
from introsearch.errors import ConfigError
from introsearch.execution.machine import check_resources
from introsearch.execution.preflight.compiler import prepare_compiler
from introsearch.execution.preflight.data import prepare_data
from introsearch.execution.preflight.stage_1 import check_stage_1
from introsearch.execution.signals import ending_signals_interrupt
from introsearch.record.address import check_uri, default_uri
from introsearch.study.model import Study
from introsearch.study.search.expand import expand

_MOST_NAMED = 5  # kinds of trials that have the same fault


def run(options: argparse.Namespace) -> int:
    """Try every kind of trial, and print all that is wrong; `EXIT_BAD_INPUT` if anything is."""
    with ending_signals_interrupt():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    study = study_of(options)
    faults = list(dict.fromkeys(_faults(study, options)))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        return EXIT_BAD_INPUT
    seconds = time.monotonic() - start
    print(f"{study.name}: all works ({seconds:.0f} s); nothing was recorded")
    return EXIT_DONE


def _faults(study: Study, options: argparse.Namespace) -> Iterator[str]:
    found = []
    for look in (_look_at_cluster, _look_at_compiler, _look_at_stage_1, _look_at_data):
        try:
            look(study, options)
        except ConfigError as error:
            found += [str(each.at(file=each.file, line=each.line)) for each in error.all]
    yield from found
    # Late: it needs torch, which a wrong study file should not wait for.
    from introsearch.execution.preflight.rehearsal import rehearse

    for fault in rehearse(study, overrides=options.overrides, notify=print):
        if fault.text in found:
            continue
        named = ", ".join(fault.trials[:_MOST_NAMED])
        more = len(fault.trials) - _MOST_NAMED
        yield f"{fault.text}\n  in: {named}" + (f" and {more} more" if more > 0 else "")


def _look_at_cluster(study: Study, options: argparse.Namespace) -> None:
    use_folders(options)  # for what is looked at next, if the cluster file is wrong
    cluster = cluster_of(options)
    runs_dir = runs_dir_of(options, cluster)
    use_folders(options, runs_dir=runs_dir)
    if isinstance(cluster, InlineCluster | LocalCluster):
        check_resources(study.resources)
    check_uri(options.tracking_uri or default_uri(runs_dir), folder_will_exist=runs_dir)


def _look_at_compiler(study: Study, options: argparse.Namespace) -> None:
    prepare_compiler(study)


def _look_at_stage_1(study: Study, options: argparse.Namespace) -> None:
    check_stage_1(study, overrides=options.overrides, tracking_uri=options.tracking_uri)


def _look_at_data(study: Study, options: argparse.Namespace) -> None:
    prepare_data(expand(study), download=False)
