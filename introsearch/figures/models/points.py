"""The figure of one trained 2D model, as PNG bytes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from introsearch.figures.style import BLUE, GREY, TICK_SIZE, VERMILLION, image, name, new_figure
from introsearch.training.figure_data import TrialFigure

Floats = NDArray[np.floating]

_MAX_POINTS = 4_000


def draw_trial(data: TrialFigure, *, title: str) -> bytes:
    """Draw a trained 2D model: its samples, its density, and its latent space with the prior.

    Points and densities that are not finite are left out; samples outside the window are counted.

    Args:
        data: what the trainer hands out, see `TrialFigure`.
        title: one line above the panels; wrapped if long.

    Returns:
        A PNG image, 7 inches wide at 200 dots per inch.
    """
    figure = new_figure(title, height_inches=2.75)
    samples, density, latent = figure.subplots(1, 3)
    draw_panels(data, samples=samples, density=density, latent=latent)
    return image(figure)


def draw_panels(data: TrialFigure, *, samples: Axes, density: Axes, latent: Axes) -> None:
    """Draw a trained 2D model into panels that may belong to a larger figure."""
    _draw_samples(samples, data)
    _draw_density(density, data)
    _draw_latents(latent, data)
    for axes in (samples, density, latent):
        axes.set_aspect("equal")
        axes.tick_params(labelsize=TICK_SIZE, length=2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _draw_samples(axes: Axes, data: TrialFigure) -> None:
    half = data.half_width
    _scatter(axes, _points(data.real), colour=GREY, label="data")
    _scatter(axes, _points(data.samples), colour=BLUE, label="samples")
    outside = 1 - (np.abs(data.samples) <= half).all(axis=1).mean() if len(data.samples) else 0
    name(axes, "samples on data" + (f" ({outside:.1%} outside)" if outside > 0 else ""))
    axes.set(xlim=(-half, half), ylim=(-half, half))


def _draw_density(axes: Axes, data: TrialFigure) -> None:
    half = data.half_width
    density, top = _clip_density(data.density)
    # Densities span decades: a square root shows the thin structures as well as the peaks.
    axes.imshow(
        density,
        origin="lower",
        extent=(-half, half, -half, half),
        cmap="viridis",
        norm=PowerNorm(0.5, vmin=0.0, vmax=top),
        interpolation="nearest",
    )
    axes.set_facecolor("lightgrey")
    name(axes, "density (square-root scale)")


def _clip_density(density: Floats) -> tuple[Floats, float]:
    """The density between 0 and a robust maximum, NaN where it is NaN; and that maximum."""
    density = np.asarray(density, dtype=np.float64)
    finite = density[np.isfinite(density)]
    positive = finite[finite > 0]
    top = float(np.percentile(positive, 99.9)) if len(positive) else 1.0
    return np.clip(density, 0.0, top), top


def _draw_latents(axes: Axes, data: TrialFigure) -> None:
    latents = _points(data.latents)
    _scatter(axes, latents, colour=GREY, label="posterior")
    means, stds = np.asarray(data.component_means, float), np.asarray(data.component_stds, float)
    weights = np.asarray(data.component_weights, float)
    kept = np.isfinite(np.column_stack([means, stds, weights])).all(axis=1)
    means, stds, weights = means[kept], stds[kept], weights[kept]
    _draw_components(axes, means, stds, weights)
    for axis, (low, high) in zip("xy", _latent_limits(latents, means, stds, weights), strict=True):
        axes.set(**{f"{axis}lim": (low, high)})
    name(axes, "posterior (dots)" + ", prior (1-sigma)" * (len(data.component_means) > 0))


def _draw_components(axes: Axes, means: Floats, stds: Floats, weights: Floats) -> None:
    """An ellipse and a centre per component, the more opaque and bold the more it weighs."""
    # The root keeps light components visible beside a dominant one.
    strength = np.sqrt(np.clip(weights, 0.0, None) / max(weights.max(initial=0.0), 1e-30))
    colours = [(*to_rgb(VERMILLION), 0.2 + 0.65 * value) for value in strength]
    axes.add_collection(
        EllipseCollection(
            widths=2 * stds[:, 0],
            heights=2 * stds[:, 1],
            angles=np.zeros(len(means)),
            units="xy",
            offsets=means,
            offset_transform=axes.transData,
            facecolors="none",
            edgecolors=colours,
            linewidths=0.4 + 0.5 * strength,
        ),
        autolim=False,
    )
    axes.scatter(means[:, 0], means[:, 1], s=1 + 4 * strength, c=colours, linewidths=0, zorder=3)


def _latent_limits(
    latents: Floats, means: Floats, stds: Floats, weights: Floats
) -> list[tuple[float, float]]:
    """A square window that shows the posterior and the components in use, not the stray ones.

    A component is in use if it weighs a tenth of an equal share. The window never spans more than
    three times the posterior, so that a component far off cannot shrink it to a speck.
    """
    used = weights > 0.1 / max(len(weights), 1)
    edges = np.concatenate([means[used] - stds[used], means[used] + stds[used]])
    cores = [np.percentile(p, [1, 99], axis=0) for p in (latents, edges) if len(p)]
    if not cores:
        return [(-3.0, 3.0)] * 2
    low, high = np.min(cores, axis=0)[0], np.max(cores, axis=0)[1]
    half = 0.55 * max(float((high - low).max()), 1e-3)
    centre = (low + high) / 2
    if len(latents):
        spread = float((cores[0][1] - cores[0][0]).max())
        if 0 < 1.5 * spread < half:
            half, centre = 1.5 * spread, cores[0].mean(axis=0)
    return [(float(c) - half, float(c) + half) for c in centre]


def _points(values: Floats) -> Floats:
    """The finite rows, evenly thinned to as many as can be told apart in a panel."""
    points = np.asarray(values, dtype=np.float64).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1)]
    return points[:: -(-len(points) // _MAX_POINTS) or 1]


def _scatter(axes: Axes, points: Floats, *, colour: str, label: str) -> None:
    axes.scatter(
        points[:, 0], points[:, 1], s=1.2, c=colour, alpha=0.35, lw=0, label=label, rasterized=True
    )
