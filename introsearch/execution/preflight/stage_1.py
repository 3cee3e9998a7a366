"""Sees to it, before any trial starts, that the finished trials which a study builds on are there.

Their checkpoints say all that is needed; the record is asked only why one is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from introsearch.errors import ConfigError
from introsearch.files import kept_checkpoints
from introsearch.settings.base import settings_from_dict
from introsearch.study.file.loader import at_place
from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import expand
from introsearch.study.search.spaces import in_file

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
    # Late: it needs torch, and most studies have no stage 1.
    from introsearch.settings.latent import LatentPriorSettings
    from introsearch.training.latent.stage_1 import read_stage_1

    settings = settings_from_dict(configuration.trainer, configuration.settings)
    assert isinstance(settings, LatentPriorSettings)  # others have no such setting
    for seed in dict.fromkeys((*study.seeds.select, *study.seeds.report)):
        name = settings.stage_1_of(seed)
        if not kept_checkpoints(name):
            # Late: it needs MLflow, and most checkpoints are there.
            from introsearch.execution.preflight.missing_trial import missing_trial

            raise missing_trial(name, tracking_uri=tracking_uri)
        read_stage_1(settings, seed=seed)
