"""Latent spaces of image models, alone or side by side (supplement of the prior-learning paper)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from introsearch.figures.style import (
    BLACK,
    GREY,
    LABEL_SIZE,
    TICK_SIZE,
    VERMILLION,
    name,
    new_figure,
)
from introsearch.training.figure_data import ImageFigure

Floats = NDArray[np.floating]

COLUMNS = 4  # of models, before another pair of rows begins
_MAX_CLASSES = 10  # that colours can tell apart
_POSTERIOR, _MEANS = "posterior (dots)", "prior means (rings, area is weight)"
_SAMPLES = "prior samples (black crosses)"


def draw_latent_spaces(models: Mapping[str, ImageFigure], *, title: str) -> Figure:
    """Two panels per model, one below the other: see `draw_latents` and `draw_aggregate`.

    Args:
        models: what the trainers hand out, by heading; at least one.
        title: one line above the panels.
    """
    columns = min(COLUMNS, len(models))
    blocks = -(-len(models) // columns)
    size = min(2.6, 6.8 / columns)
    figure = new_figure(title, height_inches=0.5 + 2 * blocks * size)
    grid = figure.subplots(2 * blocks, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for i, (heading, data) in enumerate(models.items()):
        block, column = divmod(i, columns)
        above, below = grid[2 * block : 2 * block + 2, column]
        for axes in (above, below):
            axes.set_axis_on()
        draw_latents(above, data)
        draw_aggregate(below, data)
        for axes in (above, below):
            name(axes, "")
            axes.set(xlabel="", ylabel="")
        name(above, heading)
        if column == 0:
            above.set_ylabel("first two dimensions", fontsize=LABEL_SIZE)
            below.set_ylabel("t-SNE of all", fontsize=LABEL_SIZE)
    return figure


def draw_latents(axes: Axes, data: ImageFigure) -> None:
    """First two latent dimensions: with a ring per component of the prior whose area is its weight,
    or with samples of a prior without components."""
    _draw_points(axes, data.latents, data.labels)
    beside = data.prior_latents
    axes.scatter(beside[:, 0], beside[:, 1], s=6, marker="x", c=BLACK, linewidths=0.4)
    weights = data.component_weights / max(float(data.component_weights.max(initial=0)), 1e-30)
    means = np.asarray(data.component_means, float)
    axes.scatter(
        means[:, 0],
        means[:, 1],
        s=3 + 60 * weights,
        facecolors="none",
        edgecolors=VERMILLION,
        linewidths=0.9,
    )
    also = [_MEANS] * (len(means) > 0) + [_SAMPLES] * (len(data.prior_latents) > 0)
    name(axes, ", ".join([_POSTERIOR, *also]))
    axes.set_xlabel("first latent dimension", fontsize=TICK_SIZE)
    axes.set_ylabel("second", fontsize=TICK_SIZE)
    axes.tick_params(labelsize=TICK_SIZE, length=2)


def draw_aggregate(axes: Axes, data: ImageFigure) -> None:
    """Posterior samples of the test images in all dimensions, embedded by t-SNE."""
    _draw_points(axes, data.aggregate, data.labels)
    name(axes, "t-SNE of the aggregated posterior")
    axes.set(xticks=[], yticks=[])


def _draw_points(axes: Axes, points: Floats, labels: NDArray[np.int64]) -> None:
    """Points coloured by label, where colours can tell the labels apart."""
    if not len(points):
        axes.text(0.5, 0.5, "not finite", transform=axes.transAxes, ha="center")
        return
    finite = np.isfinite(points).all(axis=1)
    points, labels = points[finite], labels[finite]
    coloured = len(labels) and labels.max() < _MAX_CLASSES
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=3,
        alpha=0.6,
        linewidths=0,
        c=labels if coloured else GREY,
        cmap="tab10" if coloured else None,
        vmin=0 if coloured else None,
        vmax=_MAX_CLASSES - 1 if coloured else None,
    )
