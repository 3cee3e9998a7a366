"""A trained model of images as PNG bytes: what it makes, its latent space, and its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from introsearch.figures.models.latents import draw_aggregate, draw_latents
from introsearch.figures.style import (
    BLUE,
    TICK_SIZE,
    image,
    name,
    new_figure,
    panels,
)
from introsearch.training.figure_data import ImageFigure

Floats = NDArray[np.floating]
Curve = tuple[Sequence[int], Sequence[float]]

_DECADE = 10  # less than that, and a logarithmic axis has hardly any ticks
HISTORY = ("fid_gen", "responsibility_entropy", "prior_logvar_max")  # what is followed over time
_PAIRS = 32  # originals and their reconstructions


def draw_images(data: ImageFigure, *, title: str) -> bytes:
    """Draw samples, reconstructions and components if any, then two views of the latent space.

    Latent points that are not finite are left out.

    Args:
        data: what the trainer hands out, see `ImageFigure`.
        title: one line above the panels; wrapped if long.

    Returns:
        A PNG image, 7 inches wide at 200 dots per inch.
    """
    figure = new_figure(title, height_inches=4.9)
    grid = figure.add_gridspec(2, 6)
    number = len(data.component_weights)
    wide = 2 if number else 3
    pictures = [figure.add_subplot(grid[0, i : i + wide]) for i in range(0, 6, wide)]
    latents, aggregate = (figure.add_subplot(grid[1, 3 * i : 3 * i + 3]) for i in range(2))
    _draw_grid(pictures[0], data.samples, "samples")
    pairs = np.stack([data.originals[:_PAIRS], data.reconstructions[:_PAIRS]], axis=1)
    _draw_grid(
        pictures[1],
        pairs.reshape(-1, *data.originals.shape[1:]),
        "test images, each left of its reconstruction",
    )
    if number:
        _draw_grid(pictures[2], data.components, _components_title(len(data.components), number))
    draw_latents(latents, data)
    draw_aggregate(aggregate, data)
    return image(figure)


def draw_history(curves: Mapping[str, Curve], *, title: str) -> bytes:
    """Draw metrics over the training iteration, a panel each.

    Args:
        curves: (iterations, values) by metric; at least one.
        title: one line above the panels; wrapped if long.
    """
    figure, axes = panels(list(curves), title=title)
    for panel, (metric, (iterations, values)) in zip(axes, curves.items(), strict=True):
        panel.plot(iterations, values, color=BLUE, marker="o", ms=2.5, linewidth=0.9)
        name(panel, metric)
        panel.set_xlabel("iteration", fontsize=TICK_SIZE)
        panel.tick_params(labelsize=TICK_SIZE, length=2, which="both")
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.xaxis.set_major_formatter("{x:,.0f}")
        if metric.startswith("fid") and max(values) >= _DECADE * min(values) > 0:
            panel.set_yscale("log")
    return image(figure)


def _draw_grid(axes: Axes, images: Floats, title: str) -> None:
    """Images as tiles of a nearly square grid, with a pixel's gap between them."""
    columns = max(int(np.ceil(np.sqrt(len(images)))), 1)
    columns += columns % 2  # pairs stay beside each other
    rows = -(-len(images) // columns)
    n, height, width, channels = images.shape
    canvas = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, channels))
    for i in range(n):
        y, x = (i // columns) * (height + 1), (i % columns) * (width + 1)
        canvas[y : y + height, x : x + width] = images[i]
    axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    name(axes, title)


def _components_title(shown: int, number: int) -> str:
    if number == 1:
        return "decoded mean of the one component"
    heaviest = f"{shown} heaviest of " if shown < number else ""
    return f"decoded means of {heaviest}{number} components"
