"""`introsearch logs`: what a trial's code has printed and logged."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from introsearch.commands.options import EXIT_DONE, store_uri
from introsearch.errors import ConfigError
from introsearch.files import log_path
from introsearch.record.find import find_trial
from introsearch.record.store import open_store

_LOOK_EVERY_S = 0.5


def run(options: argparse.Namespace) -> int:
    """Print the trial's log, and if wanted what is added to it, until Ctrl-C."""
    path = _log_of(options)
    with path.open(encoding="utf-8", errors="replace") as log, suppress(KeyboardInterrupt):
        _print(log)
        while options.follow:
            time.sleep(_LOOK_EVERY_S)
            _print(log)
    return EXIT_DONE


def _log_of(options: argparse.Namespace) -> Path:
    """The file.

    Raises:
        ConfigError: no such trial, or several, or it has no log here.
    """
    trial = find_trial(open_store(store_uri(options)), options.trial, study=options.study)
    path = log_path(options.runs_dir / trial.study, trial.entry.name)
    if not path.is_file():
        raise ConfigError(
            f"the trial {trial.entry.name} of the study {trial.study} is {trial.entry.status}, and "
            f"{path} is not there",
            key="TRIAL",
            hint="the log is written where the trial runs: give that folder with --runs-dir; "
            "trials of versions before 0.2 have none",
        )
    return path


def _print(log: TextIO) -> None:
    shutil.copyfileobj(log, sys.stdout)
    sys.stdout.flush()
