"""Figures as PNG bytes: one trained 2D model, and all learning curves of a study.

Drawn with matplotlib's object interface on an Agg canvas: no display, no global state, and the
same input gives the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from introsearch.training.figure_data import TrialFigure

Floats = NDArray[np.floating]
Curve = tuple[Sequence[float], Sequence[float], str]

DPI = 200
WIDTH_INCHES = 7.0
MAX_POINTS = 4_000

# Okabe and Ito's palette, told apart by the colour-blind; the markers repeat the distinction.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
GREY, BLACK = "#999999", "#000000"
_STATUS_STYLES = {  # later ones are drawn on top
    "stopped": (GREY, "."),
    "running": (GREEN, ">"),
    "failed": (PURPLE, "s"),
    "diverged": (VERMILLION, "X"),
    "finished": (BLUE, "o"),
}
_TITLE_SIZE, _LABEL_SIZE, _TICK_SIZE = 9, 8, 7


def draw_trial(data: TrialFigure, *, title: str) -> bytes:
    """Draw a trained 2D model: its samples, its density, and its latent space with the prior.

    Points and densities that are not finite are left out; samples outside the window are counted.

    Args:
        data: what the trainer hands out, see `TrialFigure`.
        title: one line above the panels; wrapped if long.

    Returns:
        A PNG image, 7 inches wide at 200 dots per inch.
    """
    figure = _new_figure(title, height_inches=2.75)
    samples, density, latent = figure.subplots(1, 3)
    _draw_samples(samples, data)
    _draw_density(density, data)
    _draw_latents(latent, data)
    for axes in (samples, density, latent):
        axes.set_aspect("equal")
        axes.tick_params(labelsize=_TICK_SIZE, length=2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return _png(figure)


def draw_study(
    curves: Mapping[str, Curve], *, rungs: Sequence[float], title: str, metric: str
) -> bytes:
    """Draw a metric against the training iteration, a line per trial coloured by its status.

    The metric axis is logarithmic if all finite values are positive; diverging trials may leave it.

    Args:
        curves: (iterations, values, status) by trial name; values may be NaN.
        rungs: iterations at which trials are compared, drawn as vertical lines.
        title: one line above the plot; wrapped if long.
        metric: the label of the vertical axis.

    Returns:
        A PNG image, 7 inches wide at 200 dots per inch.

    Raises:
        ValueError: an unknown status, or iterations and values of different lengths.
    """
    unknown = sorted({status for _, _, status in curves.values()} - set(_STATUS_STYLES))
    if unknown:
        raise ValueError(f"unknown status {unknown[0]!r}, legal: {', '.join(_STATUS_STYLES)}")
    figure = _new_figure(title, height_inches=3.6)
    axes = figure.subplots()
    handles = [
        _draw_curves(axes, of_status, status)
        for status in _STATUS_STYLES
        if (of_status := [curve for curve in curves.values() if curve[2] == status])
    ]
    handles += [
        axes.axvline(rung, color=BLACK, linewidth=0.6, linestyle=":", zorder=0, label="rung")
        for rung in rungs
    ][:1]
    _scale(axes, list(curves.values()))
    _label_study(axes, metric)
    if curves:
        place = "outside lower center"
        figure.legend(handles=handles, ncols=len(handles), fontsize=_TICK_SIZE, loc=place)
    else:
        axes.text(0.5, 0.5, "no trials yet", transform=axes.transAxes, ha="center")
        axes.set(xticks=[], yticks=[])
    return _png(figure)


def _new_figure(title: str, *, height_inches: float) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    lines = textwrap.fill(title, width=95)
    figure.suptitle(lines, fontsize=_TITLE_SIZE, parse_math=False)
    return figure


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _draw_samples(axes: Axes, data: TrialFigure) -> None:
    half = data.half_width
    _scatter(axes, _points(data.real), colour=GREY, label="data")
    _scatter(axes, _points(data.samples), colour=BLUE, label="samples")
    outside = 1 - (np.abs(data.samples) <= half).all(axis=1).mean() if len(data.samples) else 0
    _name(axes, "samples on data" + (f" ({outside:.1%} outside)" if outside > 0 else ""))
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
    _name(axes, "density (square-root scale)")


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
    _name(axes, "posterior (dots), prior (1-sigma)")


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


def _draw_curves(axes: Axes, curves: Sequence[Curve], status: str) -> Line2D:
    """All curves of one status as one line with gaps, and a marker where each one ends."""
    colour, marker = _STATUS_STYLES[status]
    x, y, ends = [], [], []
    for iterations, values, _ in curves:
        points = [p for p in zip(iterations, values, strict=True) if _is_drawable(p[1])]
        x += [*(float(i) for i, _ in points), np.nan]
        y += [*(float(v) for _, v in points), np.nan]
        ends += points[-1:]
    axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.6)
    axes.plot(*np.reshape(ends, (-1, 2)).T, color=colour, marker=marker, ms=4, mew=0, ls="none")
    label = f"{status} ({len(curves)})"
    return Line2D([], [], color=colour, marker=marker, ms=4, mew=0, linewidth=0.8, label=label)


def _scale(axes: Axes, curves: Sequence[Curve]) -> None:
    """Logarithmic if all values are positive; diverging trials do not stretch the axis."""
    values = _drawable(v for _, of_curve, _ in curves for v in of_curve)
    if not len(values):
        return
    logarithmic = bool((values > 0).all())
    if logarithmic:
        axes.set_yscale("log")
    sound = _drawable(v for _, of_curve, status in curves if status != "diverged" for v in of_curve)
    ends = _drawable(
        v for _, of_curve, status in curves if status == "finished" for v in of_curve[-1:]
    )
    core = np.concatenate([np.percentile(sound if len(sound) else values, [1, 99]), ends])
    values, core = (np.log10(v) if logarithmic else v for v in (values, core))
    reach = 0.3 * float(core.max() - core.min())
    if reach > 0:
        low = max(float(values.min()), float(core.min()) - reach)
        high = min(float(values.max()), float(core.max()) + reach)
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
        axes.set_ylim(*((10.0**low, 10.0**high) if logarithmic else (low, high)))
    if logarithmic and 4 * reach < 2.5:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _drawable(values: Iterable[float]) -> Floats:
    return np.asarray([value for value in values if _is_drawable(value)], dtype=np.float64)


def _is_drawable(value: float) -> bool:
    """Finite, and with room for the axis' margins: larger values overflow a logarithmic axis."""
    return bool(abs(value) < 1e30)


def _label_study(axes: Axes, metric: str) -> None:
    axes.set_xlabel("iteration", fontsize=_LABEL_SIZE)
    axes.set_ylabel(metric, fontsize=_LABEL_SIZE, parse_math=False)
    axes.tick_params(labelsize=_TICK_SIZE, which="both")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)


def _points(values: Floats) -> Floats:
    """The finite rows, evenly thinned to as many as can be told apart in a panel."""
    points = np.asarray(values, dtype=np.float64).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1)]
    return points[:: -(-len(points) // MAX_POINTS) or 1]


def _scatter(axes: Axes, points: Floats, *, colour: str, label: str) -> None:
    axes.scatter(points[:, 0], points[:, 1], s=1.2, c=colour, alpha=0.35, linewidths=0, label=label)


def _name(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=_LABEL_SIZE, parse_math=False)
