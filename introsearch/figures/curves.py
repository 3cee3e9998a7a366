"""Learning curves of a study: a metric over training, with the rungs that stopped trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from introsearch.figures.style import (
    BLACK,
    BLUE,
    COLUMNS,
    GREEN,
    GREY,
    LABEL_SIZE,
    PURPLE,
    TICK_SIZE,
    VERMILLION,
    name,
    panels,
)
from introsearch.statuses import Status

Floats = NDArray[np.floating]
Curve = tuple[Sequence[float], Sequence[float], str]

_STATUS_STYLES: dict[str, tuple[str, str]] = {  # later ones are drawn on top
    Status.STOPPED: (GREY, "."),
    Status.INTERRUPTED: (GREEN, "<"),
    Status.RUNNING: (GREEN, ">"),
    Status.FAILED: (PURPLE, "s"),
    Status.DIVERGED: (VERMILLION, "X"),
    Status.FINISHED: (BLUE, "o"),
}


def draw_curves(
    groups: Mapping[str, Sequence[Curve]],
    *,
    rungs: Mapping[str, Sequence[float]],
    title: str,
    metric: str,
) -> Figure:
    """Draw a metric against the training iteration: a panel per group, a line per trial.

    Lines are coloured by status. The metric axis is logarithmic if all finite values are positive;
    diverging trials may leave it.

    Args:
        groups: (iterations, values, status) of the trials of each group; values may be NaN.
        rungs: by group, iterations at which trials are compared, drawn as vertical lines.
        title: one line above the plot; wrapped if long.
        metric: the label of the vertical axes.

    Raises:
        ValueError: an unknown status, or iterations and values of different lengths.
    """
    everything = [curve for curves in groups.values() for curve in curves]
    unknown = sorted({status for _, _, status in everything} - set(_STATUS_STYLES))
    if unknown:
        raise ValueError(f"unknown status {unknown[0]!r}, legal: {', '.join(_STATUS_STYLES)}")
    figure, axes = panels(list(groups) or [""], title=title)
    for i, (panel, (group, curves)) in enumerate(zip(axes, groups.items(), strict=False)):
        _draw_group(panel, curves, rungs.get(group, ()))
        _label(panel, "" if i % COLUMNS else metric)
        if len(groups) > 1:
            name(panel, group)
    if everything:
        _legend(figure, everything, any(rungs.values()))
    else:
        axes[0].text(0.5, 0.5, "no trials yet", transform=axes[0].transAxes, ha="center")
        axes[0].set(xticks=[], yticks=[])
    return figure


def _draw_group(axes: Axes, curves: Sequence[Curve], rungs: Sequence[float]) -> None:
    for status in _STATUS_STYLES:
        if of_status := [curve for curve in curves if curve[2] == status]:
            _draw_lines(axes, of_status, status)
    for rung in rungs:
        axes.axvline(rung, color=BLACK, linewidth=0.6, linestyle=":", zorder=0, label="rung")
    _scale(axes, curves)


def _legend(figure: Figure, curves: Sequence[Curve], has_rungs: bool) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4, mew=0, lw=0.8, label=f"{status} ({n})")
        for status, (colour, marker) in _STATUS_STYLES.items()
        if (n := sum(curve[2] == status for curve in curves))
    ]
    if has_rungs:
        handles.append(Line2D([], [], color=BLACK, linewidth=0.6, linestyle=":", label="rung"))
    place = "outside lower center"
    figure.legend(handles=handles, ncols=len(handles), fontsize=TICK_SIZE, loc=place)


def _draw_lines(axes: Axes, curves: Sequence[Curve], status: str) -> None:
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


def _scale(axes: Axes, curves: Sequence[Curve]) -> None:
    """Logarithmic if all values are positive; diverging trials do not stretch the axis."""
    values = _drawable(v for _, of_curve, _ in curves for v in of_curve)
    if not len(values):
        return
    logarithmic = bool((values > 0).all())
    if logarithmic:
        axes.set_yscale("log")
    sound = _drawable(
        v for _, of_curve, status in curves if status != Status.DIVERGED for v in of_curve
    )
    ends = _drawable(
        v for _, of_curve, status in curves if status == Status.FINISHED for v in of_curve[-1:]
    )
    core = np.concatenate([np.percentile(sound if len(sound) else values, [1, 99]), ends])
    values, core = (np.log10(v) if logarithmic else v for v in (values, core))
    reach = 0.3 * float(core.max() - core.min())
    if reach > 0:
        low = max(float(values.min()), float(core.min()) - reach)
        high = min(float(values.max()), float(core.max()) + reach)
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
        axes.set_ylim(*((10.0**low, 10.0**high) if logarithmic else (low, high)))
    axes.minorticks_off()  # dozens on a panel this small
    if logarithmic and 4 * reach < 2.5:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")


def _drawable(values: Iterable[float]) -> Floats:
    return np.asarray([value for value in values if _is_drawable(value)], dtype=np.float64)


def _is_drawable(value: float) -> bool:
    """Finite, and with room for the axis' margins: larger values overflow a logarithmic axis."""
    return bool(abs(value) < 1e30)


def _label(axes: Axes, metric: str) -> None:
    axes.set_xlabel("iteration", fontsize=LABEL_SIZE)
    axes.set_ylabel(metric, fontsize=LABEL_SIZE, parse_math=False)
    axes.tick_params(labelsize=TICK_SIZE, which="both")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
