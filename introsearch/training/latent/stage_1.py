"""Finished trials as parts of new ones: read back from the checkpoints that studies keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from introsearch.errors import ConfigError
from introsearch.files import kept_checkpoints, runs_folder
from introsearch.settings.base import settings_from_dict
from introsearch.settings.images import IMAGE_DATA
from introsearch.settings.latent import LatentPriorSettings
from introsearch.settings.vae import VAESettings
from introsearch.statuses import Status

_KEY = "stage1_trial"
_SAME = ("dataset", *IMAGE_DATA, "latent_dim")


class FinishedTrial(NamedTuple):
    """A trained model: its trainer's name, its settings and seed, and its trainer's state."""

    trainer: str
    settings: VAESettings
    seed: int
    state: dict[str, Any]


def read_stage_1(settings: LatentPriorSettings, *, seed: int) -> FinishedTrial:
    """The finished trial that is stage 1 of another, if it suits it.

    Raises:
        ConfigError: it is not there, not readable or not finished, has no encoder, decoder and
            prior, or was trained on other data or with another latent size. Its `key` is
            ``stage1_trial``.
    """
    name = settings.stage_1_of(seed)
    found = _read(name)
    if not isinstance(found.settings, VAESettings):
        raise ConfigError(
            f"the trial {name} is of trainer: {found.trainer}, which trains no encoder, decoder "
            "and prior together",
            key=_KEY,
            hint="a trial of trainer: vae or sintrovae, say",
        )
    for field in _SAME:
        theirs, ours = getattr(found.settings, field), getattr(settings, field)
        if theirs != ours:
            raise ConfigError(
                f"the trial {name} has {field}: {theirs}, and this one {ours}",
                key=_KEY,
                hint=f"set {field}: {theirs}" if theirs is not None else f"leave {field} out",
            )
    return found


def _read(name: str) -> FinishedTrial:
    paths = kept_checkpoints(name)
    if not paths:
        raise ConfigError(
            f"there is no checkpoint of a trial {name} in {runs_folder()}",
            key=_KEY,
            hint="studies keep those of their reported trials: `introsearch status STUDY --trials`",
        )
    faults = []
    for path in paths:
        try:
            return _read_file(path)
        except ConfigError as error:
            faults.append(error)
    raise faults[0]


def _read_file(path: Path) -> FinishedTrial:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        last, what = content["evaluations"][-1], content.get("what")
    except Exception as error:  # torch raises many kinds
        hint = "run its study again under another --name"
        raise ConfigError(f"{path} is damaged", key=_KEY, hint=hint) from error
    if last["status"] != Status.FINISHED:
        reason = f" ({last['reason']})" if last["reason"] else ""
        raise ConfigError(
            f"the trial {path.stem} has not finished: {last['status']} at iteration "
            f"{last['iteration']:,}{reason}",
            key=_KEY,
            hint="run its study to the end, or choose a trial that has finished",
        )
    if what is None:
        raise ConfigError(
            f"{path} was written before checkpoints said what they are of",
            key=_KEY,
            hint="run its study again under another --name",
        )
    settings: Any = settings_from_dict(what["trainer"], what["settings"])
    return FinishedTrial(what["trainer"], settings, what["seed"], content["trainer"])
