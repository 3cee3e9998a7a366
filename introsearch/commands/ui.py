"""`introsearch ui`: the record in a browser."""

from __future__ import annotations

import argparse

from introsearch.commands.options import EXIT_DONE, store_uri
from introsearch.record.store import open_store
from introsearch.record.ui import show_pages


def run(options: argparse.Namespace) -> int:
    """Serve MLflow's pages until Ctrl-C."""
    show_pages(open_store(store_uri(options)), options.name, port=options.port)
    return EXIT_DONE
