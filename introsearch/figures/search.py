"""Figures of a search: parallel coordinates, marginal effects, and the best against compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from introsearch.figures.style import (
    BLACK,
    GREY,
    LABEL_SIZE,
    MARKERS,
    SERIES,
    TICK_SIZE,
    VERMILLION,
    name,
    new_figure,
    panels,
)
from introsearch.study.group_label import blocks_and_members, group_block, group_member
from introsearch.study.model import sign_of

Floats = NDArray[np.float64]

_VIRIDIS = colormaps["viridis"]
_MAX_VALUES = 8  # of a parameter, to be treated as a few choices
_MAX_BINS = 6


class _Scale(NamedTuple):
    """Where a parameter's values lie between 0 and 1, and labels of some of them."""

    places: Floats
    ticks: list[float]
    labels: list[str]


def draw_parallel(
    searched: pd.DataFrame, *, parameters: Sequence[str], metric: str, goal: str, title: str
) -> Figure:
    """Parallel coordinates: a panel per group, a line per configuration.

    Lines of finished configurations reach the metric's axis, darker for a better rank; the best is
    on top. Those that were stopped or ended badly are grey and do not.

    Args:
        searched: as returned by `search.searched_frame`.
        parameters: axes, from left to right, before the metric's.
        metric: the study's metric.
        goal: ``minimize`` or ``maximize``.
        title: one line above the panels.
    """
    groups = list(dict.fromkeys(searched["group"]))
    figure, axes = panels(groups, title=title, columns=2)
    for panel, group in zip(axes, groups, strict=True):
        rows = searched[searched["group"] == group].reset_index(drop=True)
        own = [p for p in parameters if rows[p].astype(str).nunique() > 1] or list(parameters[:1])
        _parallel_panel(panel, rows, own, metric, sign_of(goal))
        name(panel, group)
    return figure


def _parallel_panel(
    axes: Axes, rows: pd.DataFrame, parameters: Sequence[str], metric: str, sign: float
) -> None:
    columns = [*parameters, "score"]
    scales = [_scale_of(list(rows[column]), few=column != "score") for column in columns]
    x = np.arange(len(columns))
    rank = (sign * rows["score"]).rank(pct=True)
    y = np.column_stack([scale.places for scale in scales])
    order = np.argsort(-rank.fillna(2.0).to_numpy(), kind="stable")  # the better, the later
    ended = rank.isna().to_numpy()[order]
    for some, look in ((ended, {"lw": 0.4, "alpha": 0.5}), (~ended, {"lw": 0.9, "alpha": 0.8})):
        lines = [np.column_stack([x, y[i]])[np.isfinite(y[i])] for i in order[some]]
        colours = [GREY if math.isnan(rank[i]) else _VIRIDIS(0.95 * rank[i]) for i in order[some]]
        axes.add_collection(LineCollection(lines, colors=colours, rasterized=True, **look))
    if rank.notna().any():
        axes.plot(x, y[int(rank.idxmin())], color=VERMILLION, lw=1.6, marker="o", ms=3)
    for place, scale in enumerate(scales):
        axes.axvline(place, color=BLACK, lw=0.5, zorder=0)
        for tick, label in zip(scale.ticks, scale.labels, strict=True):
            axes.text(place + 0.03, tick, label, fontsize=TICK_SIZE - 2, va="center", zorder=4)
    axes.set_xticks(x, [*parameters, metric], fontsize=TICK_SIZE - 1, parse_math=False)
    axes.set(yticks=[], xlim=(-0.1, len(columns) - 0.6), ylim=(-0.06, 1.06))
    axes.spines[:].set_visible(False)


def _scale_of(values: Sequence[object], *, few: bool = True) -> _Scale:
    """Where `few` values stand evenly spaced in order; numbers by size, on a log axis if wide."""
    numbers = _numbers(values)
    num_kinds = 0 if numbers is None else len(np.unique(numbers[np.isfinite(numbers)]))
    if numbers is None or num_kinds < 2 or (few and num_kinds <= _MAX_VALUES):
        kinds = sorted({_text(v) for v in values if not _is_missing(v)}, key=_as_key)
        places = {kind: (i + 0.5) / len(kinds) for i, kind in enumerate(kinds)}
        y = [math.nan if _is_missing(v) else places[_text(v)] for v in values]
        return _Scale(np.array(y), list(places.values()), kinds)
    finite = numbers[np.isfinite(numbers)]
    is_wide = finite.min() > 0 and finite.max() > 20 * finite.min()
    scaled = np.log(numbers) if is_wide else numbers
    low, high = np.nanmin(scaled), np.nanmax(scaled)
    return _Scale(
        (scaled - low) / (high - low), [0.0, 1.0], [f"{finite.min():.3g}", f"{finite.max():.3g}"]
    )


def draw_marginals(
    searched: pd.DataFrame, *, parameters: Sequence[str], metric: str, title: str
) -> Figure:
    """The effect of each parameter alone: medians over all configurations with a value of it.

    A row per block of groups that are compared with each other, a column per parameter, a line per
    group with its quartiles; a dot per configuration.

    Args:
        searched: as returned by `search.searched_frame`.
        parameters: the searched ones.
        metric: what `early` holds.
        title: one line above the panels.
    """
    blocks, members = blocks_and_members(searched["group"])
    figure = new_figure(title, height_inches=0.8 + 1.7 * len(blocks))
    grid = figure.subplots(len(blocks), len(parameters), squeeze=False, sharey="row")
    for block, row in zip(blocks, grid, strict=True):
        rows = searched[searched["group"].map(group_block) == block]
        for parameter, axes in zip(parameters, row, strict=True):
            _marginal_panel(axes, rows, members, parameter)
            axes.set_xlabel(parameter, fontsize=LABEL_SIZE, parse_math=False)
        row[0].set_ylabel(f"{block}\n{metric}".strip(), fontsize=TICK_SIZE, parse_math=False)
    _series_legend(figure, members)
    return figure


def _marginal_panel(axes: Axes, rows: pd.DataFrame, members: Sequence[str], parameter: str) -> None:
    scale = _scale_of(list(rows[parameter]))
    places = pd.Series(scale.places, index=rows.index)
    for i, group in enumerate(dict.fromkeys(rows["group"])):
        of_group = rows["group"] == group
        x, y = places[of_group].to_numpy(), rows["early"][of_group].to_numpy()
        kept = np.isfinite(x) & np.isfinite(y)
        x, y = x[kept] + 0.012 * (i - len(members) / 2), y[kept]
        colour, marker = _style(group, members)
        axes.plot(x, y, ls="none", marker=".", ms=4, color=colour, alpha=0.4, mew=0)
        centres, quartiles = _binned(x, y)
        if len(centres):
            axes.plot(centres, quartiles[1], color=colour, marker=marker, ms=3, lw=1)
            axes.fill_between(centres, quartiles[0], quartiles[2], color=colour, alpha=0.12, lw=0)
    axes.set_xticks(scale.ticks, scale.labels, fontsize=TICK_SIZE, parse_math=False)
    axes.set_xlim(-0.05, 1.05)
    values = rows["early"][np.isfinite(rows["early"])]
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
    axes.tick_params(labelsize=TICK_SIZE, which="both", length=2)
    axes.spines[["top", "right"]].set_visible(False)


def _binned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Places, and lower quartile, median and upper quartile there."""
    if not len(x):
        return np.array([]), np.empty((3, 0))
    unique = np.unique(x)
    if len(unique) > _MAX_VALUES:
        edges = np.quantile(x, np.linspace(0, 1, _MAX_BINS + 1))
        labels = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, _MAX_BINS - 1)
    else:
        labels = np.searchsorted(unique, x)
    bins = np.unique(labels)
    centres = np.array([x[labels == b].mean() for b in bins])
    quartiles = np.array([np.percentile(y[labels == b], [25, 50, 75]) for b in bins]).T
    return centres, quartiles


def draw_best_so_far(searched: pd.DataFrame, *, metric: str, goal: str, title: str) -> Figure:
    """The best finished configuration of each group against the compute spent on the group.

    Args:
        searched: as returned by `search.searched_frame`.
        metric: the study's metric.
        goal: ``minimize`` or ``maximize``.
        title: one line above the panels.
    """
    blocks, members = blocks_and_members(searched["group"])
    figure, axes = panels(blocks, title=title, columns=2)
    seconds = searched.groupby("group")["seconds"].sum().max() if len(searched) else 1.0
    unit, size = ("hours", 3600) if seconds > 7200 else ("minutes", 60)
    for panel, block in zip(axes, blocks, strict=True):
        rows = searched[searched["group"].map(group_block) == block]
        for group in dict.fromkeys(rows["group"]):
            ordered = rows[rows["group"] == group].sort_values("end_ms")
            best = (sign_of(goal) * ordered["score"]).cummin().ffill() * sign_of(goal)
            spent = ordered["seconds"].cumsum() / size
            colour, marker = _style(group, members)
            panel.step(spent, best, where="post", color=colour, lw=1)
            better = best.notna() & (best != best.shift())
            panel.plot(spent[better], best[better], ls="none", marker=marker, ms=3, color=colour)
        panel.set_xlabel(f"{unit} of training, select stage", fontsize=LABEL_SIZE)
        panel.set_ylabel(f"best {metric}", fontsize=LABEL_SIZE, parse_math=False)
        panel.tick_params(labelsize=TICK_SIZE)
        panel.spines[["top", "right"]].set_visible(False)
        name(panel, block)
    _series_legend(figure, members)
    return figure


def _series_legend(figure: Figure, members: Sequence[str]) -> None:
    styles = [_style(member, members) for member in members]
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4, lw=1, label=member)
        for member, (colour, marker) in zip(members, styles, strict=True)
    ]
    figure.legend(handles=handles, ncols=6, fontsize=TICK_SIZE, loc="outside lower center")


def _style(group: str, members: Sequence[str]) -> tuple[str, str]:
    """Colour and marker: groups of the same name in different blocks look the same."""
    i = members.index(group_member(group))
    return SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]


def _numbers(values: Sequence[object]) -> Floats | None:
    """As floats, if all are numbers; booleans are choices."""
    if any(isinstance(v, str | bool | list | tuple) for v in values):
        return None
    return np.array([math.nan if v is None else float(v) for v in values])  # type: ignore[arg-type]


def _is_missing(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _as_key(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
