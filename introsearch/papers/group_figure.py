"""Groups against each other: a metric over training, or over the values of a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from introsearch.figures.style import (
    LABEL_SIZE,
    MARKERS,
    SERIES,
    TICK_SIZE,
    name,
    panels,
)

Floats = NDArray[np.float64]
# By metric and series, the values of every seed by iteration, or by the value of a parameter.
Seeds = Mapping[str, Mapping[str, Sequence[Mapping[float, float]]]]

WIDE = 30  # ratio of extremes from which an axis is logarithmic


def draw_groups(seeds: Seeds, *, along: str, title: str) -> Figure:
    """A panel per metric, a line per series: the mean over seeds, and a band of one std.

    Axes are logarithmic where values are positive and wide. Values that are not finite are left
    out.

    Args:
        seeds: by metric and series, the values of every seed along the horizontal axis.
        along: the label of the horizontal axis.
        title: one line above the panels.
    """
    series = list(dict.fromkeys(name for of_metric in seeds.values() for name in of_metric))
    figure, axes = panels(list(seeds), title=title, columns=min(2, len(seeds)))
    for panel, (metric, of_metric) in zip(axes, seeds.items(), strict=True):
        for member, of_series in of_metric.items():
            _draw_series(panel, of_series, series.index(member))
        _scale(panel, [seed for of_series in of_metric.values() for seed in of_series])
        panel.set_xlabel(along, fontsize=LABEL_SIZE, parse_math=False)
        panel.tick_params(labelsize=TICK_SIZE, which="both")
        panel.spines[["top", "right"]].set_visible(False)
        name(panel, metric)
    handles = [
        Line2D([], [], color=_colour(i), marker=_marker(i), ms=4, lw=1, label=member)
        for i, member in enumerate(series)
    ]
    figure.legend(handles=handles, ncols=5, fontsize=TICK_SIZE, loc="outside lower center")
    return figure


def _draw_series(axes: Axes, seeds: Sequence[Mapping[float, float]], i: int) -> None:
    places = sorted({place for seed in seeds for place in seed})
    kept, means, stds = [], [], []
    for place in places:
        values = [seed[place] for seed in seeds if place in seed and np.isfinite(seed[place])]
        if values:
            kept.append(place)
            means.append(np.mean(values))
            stds.append(np.std(values, ddof=1) if len(values) > 1 else 0.0)
    mean, std = np.array(means), np.array(stds)
    marker = _marker(i) if len(kept) <= 20 else None
    axes.plot(kept, mean, color=_colour(i), marker=marker, ms=3, lw=1)
    axes.fill_between(kept, mean - std, mean + std, color=_colour(i), alpha=0.15, lw=0)


def _scale(axes: Axes, seeds: Sequence[Mapping[float, float]]) -> None:
    if is_wide([place for seed in seeds for place in seed]):
        axes.set_xscale("log")
    if is_wide([value for seed in seeds for value in seed.values()]):
        axes.set_yscale("log")


def is_wide(values: Sequence[float]) -> bool:
    """Whether an axis of these values is better logarithmic."""
    finite = np.array([value for value in values if np.isfinite(value)])
    return bool(len(finite) and finite.min() > 0 and finite.max() > WIDE * finite.min())


def _colour(i: int) -> str:
    return SERIES[i % len(SERIES)]


def _marker(i: int) -> str:
    return MARKERS[i % len(MARKERS)]
