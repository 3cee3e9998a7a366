"""`introsearch check`: whether a study's trials work, within seconds and before any is run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from introsearch.cluster.file import InlineCluster, LocalCluster
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE, use_folders
from introsearch.commands.study_options import cluster_of, study_of
from introsearch.errors import ConfigError
from introsearch.execution.machine import check_resources
from introsearch.execution.preflight.compiler import prepare_compiler
from introsearch.study.model import Study

_MOST_NAMED = 5  # kinds of trials that have the same fault


def run(options: argparse.Namespace) -> int:
    """Try every kind of trial, and print all that is wrong; `EXIT_BAD_INPUT` if anything is."""
    start = time.monotonic()
    use_folders(options)
    study = study_of(options)
    faults = list(_faults(study, options))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        return EXIT_BAD_INPUT
    seconds = time.monotonic() - start
    print(f"{study.name}: all works ({seconds:.0f} s); nothing was recorded")
    return EXIT_DONE


def _faults(study: Study, options: argparse.Namespace) -> Iterator[str]:
    for look in (_look_at_cluster, _look_at_compiler):
        try:
            look(study, options)
        except ConfigError as error:
            yield str(error)
    # Late: it needs torch, which a wrong study file should not wait for.
    from introsearch.execution.preflight.rehearsal import rehearse

    for fault in rehearse(study, overrides=options.overrides, notify=print):
        named = ", ".join(fault.trials[:_MOST_NAMED])
        more = len(fault.trials) - _MOST_NAMED
        yield f"{fault.text}\n  in: {named}" + (f" and {more} more" if more > 0 else "")


def _look_at_cluster(study: Study, options: argparse.Namespace) -> None:
    if isinstance(cluster_of(options), InlineCluster | LocalCluster):
        check_resources(study.resources)


def _look_at_compiler(study: Study, options: argparse.Namespace) -> None:
    prepare_compiler(study)
