"""Several trained 2D models side by side, as in Figure 3 of the prior-learning paper."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from introsearch.figures.models.points import draw_panels
from introsearch.figures.style import LABEL_SIZE, TICK_SIZE, name, new_figure
from introsearch.training.figure_data import TrialFigure

ROWS = ("samples on data", "density (sqrt. scale)", "latent space")


def draw_models(models: Mapping[str, TrialFigure], *, title: str) -> Figure:
    """A column per model; rows are its samples, its density, and its latent space with the prior.

    Args:
        models: what the trainers hand out, by heading; at least one.
        title: one line above the panels.
    """
    figure = new_figure(title, height_inches=0.5 + 3 * min(2.0, 6.6 / len(models)))
    grid = figure.subplots(len(ROWS), len(models), squeeze=False)
    for i, (heading, data) in enumerate(models.items()):
        samples, density, latent = grid[:, i]
        draw_panels(data, samples=samples, density=density, latent=latent)
        for axes in grid[:, i]:
            name(axes, "")
            axes.tick_params(labelsize=TICK_SIZE - 1)
        name(samples, heading)
    for axes, text in zip(grid[:, 0], ROWS, strict=True):
        axes.set_ylabel(text, fontsize=LABEL_SIZE)
    return figure
