"""Says why a trial that a study builds on has no checkpoint."""

from __future__ import annotations

import contextlib

from introsearch.errors import ConfigError, nearest_hint
from introsearch.files import kept_checkpoints, runs_folder
from introsearch.record.address import existing_uri
from introsearch.record.find import find_everywhere
from introsearch.record.runs import SeedRun
from introsearch.record.store import open_store
from introsearch.statuses import Status


def missing_trial(name: str, *, tracking_uri: str | None) -> ConfigError:
    """Why there is no checkpoint of a trial, as the record has it.

    Args:
        name: of the trial.
        tracking_uri: of the record; the default one of the runs folder unless given.
    """
    recorded: list[SeedRun] = []
    with contextlib.suppress(ConfigError):  # there is no record at all
        recorded = find_everywhere(open_store(existing_uri(runs_folder(), tracking_uri)), name)
    if not recorded:
        names = [path.stem for path in kept_checkpoints("*")]
        hint = f"{nearest_hint(name, names)}; " if names else "run that study first; "
        return ConfigError(
            f"no study in {runs_folder()} has a trial {name}",
            hint=f"{hint}`introsearch status STUDY --trials` lists a study's trials",
        )
    study, entry = recorded[0].study, recorded[0].entry
    if entry.status != Status.FINISHED:
        return ConfigError(
            f"the trial {name} of the study {study} has not finished: it is {entry.status}"
            + (f" ({entry.reason})" if entry.reason else ""),
            hint="choose a trial that has finished",
        )
    return ConfigError(
        f"the trial {name} of the study {study} has finished, but its checkpoint "
        f"{runs_folder() / study / 'checkpoints' / name}.pt is not there",
        hint="studies keep the checkpoints of reported trials alone: choose such a one, or run the "
        "study again under another --name",
    )
