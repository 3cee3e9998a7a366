"""Sees to it, before any trial starts, that the finished trials which a study builds on are there.

Their checkpoints say all that is needed; the record is asked only why one is missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from introsearch.errors import ConfigError, nearest_hint
from introsearch.files import kept_checkpoints, runs_folder
from introsearch.settings.base import resolve_settings
from introsearch.settings.latent import LatentPriorSettings
from introsearch.statuses import Status
from introsearch.study.file.loader import at_place
from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import expand
from introsearch.study.search.spaces import in_file

if TYPE_CHECKING:
    from introsearch.record.runs import SeedRun

SETTING = "stage1_trial"


def check_stage_1(study: Study, *, overrides: Sequence[str], tracking_uri: str | None) -> None:
    """Refuse a study whose setting `SETTING` names what cannot be its stage 1, for any seed.

    Args:
        study: the study.
        overrides: of its file.
        tracking_uri: of the record; the default one of the runs folder unless given.

    Raises:
        ConfigError: with the place in the study file.
    """
    for configuration in expand(study).configurations:
        if configuration.settings.get(SETTING) is None:
            continue
        try:
            _check(configuration, study, tracking_uri)
        except ConfigError as error:
            found = in_file(study, configuration.variants[0], error, name=SETTING)
            raise at_place(found, study.file, overrides=overrides) from None


def _check(configuration: Configuration, study: Study, tracking_uri: str | None) -> None:
    from introsearch.training.latent.stage_1 import read_stage_1

    settings = resolve_settings(configuration.trainer, configuration.settings)
    assert isinstance(settings, LatentPriorSettings)  # others have no such setting
    for seed in dict.fromkeys((*study.seeds.select, *study.seeds.report)):
        name = settings.stage_1_of(seed)
        if not kept_checkpoints(name):
            raise _missing(name, tracking_uri)
        read_stage_1(settings, seed=seed)


def _missing(name: str, tracking_uri: str | None) -> ConfigError:
    """Why there is no checkpoint of a trial."""
    from introsearch.record.address import existing_uri
    from introsearch.record.find import find_everywhere
    from introsearch.record.store import open_store

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
