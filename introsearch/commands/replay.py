"""`introsearch replay`: a recorded trial once more, compared with its record."""

from __future__ import annotations

import argparse

from introsearch.commands.options import EXIT_DONE, EXIT_SOME_FAILED, store_uri, use_folders
from introsearch.record.find import find_trial
from introsearch.record.store import open_store
from introsearch.replay.repeat import replay
from introsearch.replay.text import replay_progress, replay_text


def run(options: argparse.Namespace) -> int:
    """Run the trial here, and print what differs; `EXIT_SOME_FAILED` if something does."""
    client = open_store(store_uri(options))
    use_folders(options)
    recorded = find_trial(client, options.trial, study=options.study)
    with replay_progress() as notify:
        result = replay(client, recorded, figures=options.figures, notify=notify)
    print(replay_text(result))
    return EXIT_DONE if result.matches else EXIT_SOME_FAILED
