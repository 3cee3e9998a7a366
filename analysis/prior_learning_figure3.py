"""Figure 3 of "Prior Learning in Introspective VAEs": samples, density and latent space.

    introsearch run search_spaces/2d_grid.yaml
    python analysis/prior_learning_figure3.py

Writes a figure per data set, a column per prior, as PNG and PDF. The first finished report seed of
each group is shown, from its checkpoint in the study's folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from common import MODELS, parser, read, run

from introsearch.errors import ConfigError
from introsearch.results import record
from introsearch.results.model_figure import draw_models
from introsearch.results.result import StudyResult
from introsearch.results.style import image
from introsearch.study.expand import report_trials
from introsearch.study.model import Trial
from introsearch.study.order import order_of
from introsearch.training.figure_data import TrialFigure
from introsearch.trial_files import checkpoint_path, write_atomically
from introsearch.trial_run import TrialRun


def draw(options: argparse.Namespace) -> None:
    """Write all figures, and say where."""
    _, result = read(options)
    folder = options.runs_dir / options.study
    blocks: dict[str, dict[str, TrialFigure]] = {}
    for group, trial in shown_trials(result).items():
        block, _, member = group.rpartition(" / ")
        blocks.setdefault(block, {})[MODELS.get(member, member)] = trained(result, trial, folder)
    if not blocks:
        raise ConfigError(f"no reported trial of {options.study!r} has finished")
    for block, models in blocks.items():
        figure = draw_models(models, title=" ".join((options.study, block)))
        for fmt in ("png", "pdf"):
            name = "_".join(filter(None, ("figure3", block.replace(" / ", "_"))))
            path = options.out / f"{name}.{fmt}"
            write_atomically(path, image(figure, fmt))
            print(path)


def shown_trials(result: StudyResult) -> dict[str, Trial]:
    """The first finished reported trial of each group that has one."""
    frame = result.frame
    finished = frame[frame["status"] == record.FINISHED]
    done = set(zip(finished["config_id"], finished["seed"], strict=True))
    shown = {}
    for group, identity in result.chosen.items():
        if identity is None:
            continue
        for trial in report_trials(result.study, result.expansion, {group: identity}):
            if (identity, trial.seed) in done:
                shown.setdefault(group, trial)
    return shown


def trained(result: StudyResult, trial: Trial, folder: Path) -> TrialFigure:
    """What a trial's trainer hands out for drawing."""
    path = checkpoint_path(folder, trial.name)
    if not path.exists():
        raise ConfigError(
            f"there is no checkpoint {path}",
            hint="draw where the study ran; `introsearch replay TRIAL --figures DIR` draws one",
        )
    order = order_of(result.study, trial, resources=result.study.resources, folder=str(folder))
    trial_run = TrialRun(order)
    state = torch.load(path, map_location="cpu", weights_only=True)
    trial_run.load_state_dict(state)
    return next(iter(trial_run.trainer.figures().values()))


if __name__ == "__main__":
    options = parser(__doc__, study="2d-grid")
    options.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="(default: .)")
    run(options, draw)
