"""The figure of one trial whose posterior collapse was predicted, as PNG bytes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from introsearch.figures.style import (
    BLUE,
    GREY,
    LABEL_SIZE,
    MARKERS,
    TICK_SIZE,
    VERMILLION,
    image,
    name,
    new_figure,
)
from introsearch.training.figure_data import Array, CollapseFigure

_LEAST_EPSILON = 1e-4  # nats, at the left end of the curve


def draw_collapse(data: CollapseFigure, *, title: str) -> bytes:
    """Draw the KL by mode beside the predicted one, the collapse curve, and images if any.

    Args:
        data: what the trainer hands out.
        title: one line above the panels; wrapped if long.

    Returns:
        A PNG image, 7 inches wide at 200 dots per inch.
    """
    rows = len(data.pictures)
    figure = new_figure(title, height_inches=2.6 + 0.42 * rows)
    grid = figure.add_gridspec(
        1 + bool(rows), 2, height_ratios=[2.2, 0.42 * rows][: 1 + bool(rows)]
    )
    _draw_kl(figure.add_subplot(grid[0, 0]), data)
    _draw_curve(figure.add_subplot(grid[0, 1]), data)
    if rows:
        _draw_pictures(figure.add_subplot(grid[1, :]), data.pictures)
    return image(figure)


def _draw_kl(axes: Axes, data: CollapseFigure) -> None:
    styles = zip(("-", "--"), MARKERS, strict=False)
    for latent, kl, predicted, (line, marker) in zip(
        data.latents, data.kl, data.predicted_kl, styles, strict=False
    ):
        modes = np.arange(1, len(kl) + 1)
        axes.plot(modes, predicted, line, color=GREY, lw=1, label=f"{latent} predicted")
        axes.plot(modes, kl, marker, color=BLUE, ms=3, mew=0, label=f"{latent} trained")
    axes.legend(fontsize=TICK_SIZE, frameon=False)
    _finish(axes, "KL of each mode, sorted", "mode", "nats")


def _draw_curve(axes: Axes, data: CollapseFigure) -> None:
    levels = np.maximum(data.collapse_levels, _LEAST_EPSILON / 2)
    largest = max(float(levels.max()) * 2, 100 * _LEAST_EPSILON)
    epsilon = np.concatenate([[_LEAST_EPSILON], levels, [largest]])
    share = np.concatenate([[0], np.arange(1, len(levels) + 1), [len(levels)]]) / len(levels)
    axes.step(epsilon, share, where="post", color=VERMILLION, lw=1)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST_EPSILON, largest)
    axes.set_ylim(-0.03, 1.03)
    latent = data.latents[-1]
    _finish(
        axes, f"(epsilon, {data.delta:g})-collapse of {latent}", "epsilon (nats)", "share of modes"
    )


def _draw_pictures(axes: Axes, pictures: dict[str, Array]) -> None:
    """A row of images for each entry, with what it shows on the left."""
    _, height, width, channels = next(iter(pictures.values())).shape
    columns = min(map(len, pictures.values()))
    canvas = np.ones((len(pictures) * (height + 1) - 1, columns * (width + 1) - 1, channels))
    for i, row in enumerate(pictures.values()):
        for j in range(columns):
            y, x = i * (height + 1), j * (width + 1)
            canvas[y : y + height, x : x + width] = row[j]
    axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    centres = [i * (height + 1) + (height - 1) / 2 for i in range(len(pictures))]
    axes.set_yticks(centres, list(pictures), fontsize=TICK_SIZE)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    name(axes, title)
    axes.set_xlabel(x, fontsize=LABEL_SIZE)
    axes.set_ylabel(y, fontsize=LABEL_SIZE)
    axes.tick_params(labelsize=TICK_SIZE, length=2, which="both")
    axes.spines[["top", "right"]].set_visible(False)
