"""`introsearch status`: where a study stands."""

from __future__ import annotations

import argparse
import json

from introsearch.commands.options import EXIT_DONE, store_uri
from introsearch.execution.lock import is_locked
from introsearch.record.status import read_status
from introsearch.record.store import open_store
from introsearch.results.status.text import show_status


def run(options: argparse.Namespace) -> int:
    """Print what the record says of the study, and whether a `run` is at work on it."""
    client = open_store(store_uri(options))
    active = is_locked(options.runs_dir / options.name)
    status = read_status(client, options.name, active=active)
    if options.json:
        print(json.dumps(status.to_dict(), indent=2))
    else:
        show_status(status, all_trials=options.trials)
    return EXIT_DONE
