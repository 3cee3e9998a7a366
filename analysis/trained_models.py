"""What the scripts that draw trained models share: a figure per data set, a column per prior."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from common import MODELS, read
from matplotlib.figure import Figure

from introsearch.errors import ConfigError
from introsearch.figures.style import image
from introsearch.files import checkpoint_path, write_atomically
from introsearch.results.result import StudyResult
from introsearch.statuses import Status
from introsearch.study.model import Trial
from introsearch.study.search.expand import report_trials
from introsearch.trial.order import order_of
from introsearch.trial.run import TrialRun, prepare_process

Shown = TypeVar("Shown")


def draw_trained(
    options: argparse.Namespace,
    *,
    kind: type[Shown],
    draw: Callable[[Mapping[str, Shown], str], Figure],
    prefix: str,
) -> None:
    """Draw the first finished report seed of each group, as PNG and PDF, and say where.

    Args:
        options: the study, where it is recorded, and the folder `out`.
        kind: what the trainers must hand out for drawing.
        draw: makes a figure of the models of a block, by heading, and a title.
        prefix: of the files' names.

    Raises:
        ConfigError: no reported trial has finished, its checkpoint is gone, or its trainer hands
            out nothing of this kind.
    """
    _, result = read(options)
    folder = options.runs_dir / options.study
    blocks: dict[str, dict[str, Shown]] = {}
    for group, trial in shown_trials(result).items():
        block, _, member = group.rpartition(" / ")
        shown = _handed_out(result, trial, folder, kind)
        blocks.setdefault(block, {})[MODELS.get(member, member)] = shown
    if not blocks:
        raise ConfigError(f"no reported trial of {options.study!r} has finished")
    for block, models in blocks.items():
        figure = draw(models, " ".join((options.study, block)))
        for fmt in ("png", "pdf"):
            name = "_".join(filter(None, (prefix, block.replace(" / ", "_"))))
            path = options.out / f"{name}.{fmt}"
            write_atomically(path, image(figure, fmt))
            print(path)


def shown_trials(result: StudyResult) -> dict[str, Trial]:
    """The first finished reported trial of each group that has one."""
    frame = result.frame
    finished = frame[frame["status"] == Status.FINISHED]
    done = set(zip(finished["config_id"], finished["seed"], strict=True))
    shown = {}
    for group, identity in result.chosen.items():
        if identity is None:
            continue
        for trial in report_trials(result.study, result.expansion, {group: identity}):
            if (identity, trial.seed) in done:
                shown.setdefault(group, trial)
    return shown


def _handed_out(result: StudyResult, trial: Trial, folder: Path, kind: type[Shown]) -> Shown:
    path = checkpoint_path(folder, trial.name)
    if not path.exists():
        raise ConfigError(
            f"there is no checkpoint {path}",
            hint="draw where the study ran; `introsearch replay TRIAL --figures DIR` draws one",
        )
    order = order_of(result.study, trial, resources=result.study.resources, folder=str(folder))
    prepare_process(order)
    trial_run = TrialRun(order)
    state = torch.load(path, map_location="cpu", weights_only=True)
    trial_run.load_state_dict(state)
    for shown in trial_run.trainer.figures().values():
        if isinstance(shown, kind):
            return shown
    raise ConfigError(
        f"{trial.name} of {result.study.name!r} is no model that this script can draw",
        hint="name a study of the kind that the script's text shows",
    )
