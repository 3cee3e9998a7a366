"""Trained against predicted posterior collapse over a whole study, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from introsearch.errors import ConfigError, nearest_hint
from introsearch.figures.style import (
    BLACK,
    GREY,
    LABEL_SIZE,
    MARKERS,
    SERIES,
    TICK_SIZE,
    name,
    panels,
)
from introsearch.papers.collapse_table import CollapseRow, LatentComparison
from introsearch.papers.group_figure import is_wide
from introsearch.study.group_label import group_label, label_parts

_CURVES = 6  # that a panel can tell apart
_LEAST = 1e-6  # of the largest eigenvalue, below which it is rounding


def draw_collapse_study(rows: Sequence[CollapseRow], *, along: str, title: str) -> Figure:
    """Six panels: KL by mode, against the spectrum, and along a setting; trained against predicted.

    Args:
        rows: of the study's groups.
        along: a numeric setting; empty leaves its two panels out.
        title: one line above the panels.

    Raises:
        ConfigError: no group has such a setting as a number.
    """
    latent = list(rows[0].latents)[-1]
    names = [f"KL of each mode of {latent}", f"KL of modes of {latent} and the spectrum"]
    names += [f"active modes along {along}", f"KL along {along}"] if along else []
    names += ["active modes", "KL of all modes (nats)"]
    figure, axes = panels(names, title=title, columns=2)
    _draw_modes(axes[0], rows, latent)
    _draw_spectrum(axes[1], rows, latent)
    if along:
        _draw_along(axes[2], rows, along, active=True)
        _draw_along(axes[3], rows, along, active=False)
    _draw_against(axes[-2], rows, active=True)
    _draw_against(axes[-1], rows, active=False)
    for panel, text in zip(axes, names, strict=True):
        name(panel, text)
        panel.tick_params(labelsize=TICK_SIZE, which="both")
        panel.spines[["top", "right"]].set_visible(False)
    handles = [
        Line2D([], [], color=BLACK, marker="o", ms=3, ls="none", label="trained"),
        Line2D([], [], color=BLACK, lw=1, label="predicted"),
    ]
    figure.legend(handles=handles, ncols=2, fontsize=TICK_SIZE, loc="outside lower center")
    return figure


def _draw_modes(axes: Axes, rows: Sequence[CollapseRow], latent: str) -> None:
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _CURVES)).round().astype(int)
    for i in chosen:
        of, colour = rows[i].latents[latent], SERIES[i % len(SERIES)]
        modes, marker = np.arange(1, of.kl.shape[1] + 1), MARKERS[i % len(MARKERS)]
        axes.plot(modes, of.predicted_kl.mean(axis=0), color=colour, lw=1, label=rows[i].group)
        axes.plot(modes, of.kl.mean(axis=0), marker, color=colour, ms=3, mew=0)
    _legend(axes)
    _label(axes, "mode", "nats")


def _draw_spectrum(axes: Axes, rows: Sequence[CollapseRow], latent: str) -> None:
    """Trained KLs are sorted, and so are eigenvalues: the stronger mode has the larger KL."""
    largest = max(float(row.eigenvalues.max()) for row in rows)
    for i, row in enumerate(rows):
        of, colour = row.latents[latent], SERIES[i % len(SERIES)]
        x = row.eigenvalues.mean(axis=0)
        shown = x > _LEAST * largest
        axes.plot(x[shown], of.predicted_kl.mean(axis=0)[shown], color=colour, lw=0.7)
        axes.plot(x[shown], of.kl.mean(axis=0)[shown], "o", color=colour, ms=2.5, mew=0)
    axes.set_xscale("log")
    if np.ptp(np.log10(axes.get_xlim())) < 2:  # less than two decades
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    _label(axes, "eigenvalue", "nats")


def _draw_along(axes: Axes, rows: Sequence[CollapseRow], along: str, *, active: bool) -> None:
    """A line for all groups that differ in nothing else of their label."""
    families: dict[str, list[tuple[float, CollapseRow]]] = {}
    for row in rows:
        value = row.settings.get(along)
        if isinstance(value, Real) and np.isfinite(number := float(value)):
            families.setdefault(_family(row, number), []).append((number, row))
    if not families:
        raise ConfigError(
            f"no group has a number {along!r}", hint=nearest_hint(along, rows[0].settings)
        )
    i = 0
    for family, members in families.items():
        for latent in rows[0].latents:
            places, points = zip(*sorted(members, key=lambda m: m[0]), strict=True)
            trained, predicted = _totals([p.latents[latent] for p in points], active=active)
            label = " ".join(filter(None, (family, latent if len(rows[0].latents) > 1 else "")))
            colour, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
            axes.plot(places, predicted, color=colour, lw=1)
            axes.plot(places, trained, marker, color=colour, ms=3.5, mew=0, label=label or None)
            i += 1
    if is_wide([value for members in families.values() for value, _ in members]):
        axes.set_xscale("log")
    if active and 1 < i <= len(SERIES):
        _legend(axes)
    _label(axes, along, "modes" if active else "nats")


def _family(row: CollapseRow, value: float) -> str:
    """The group's label without the value."""
    parts = label_parts(row.group)
    return group_label(part for part in parts if not _is_number(part, value))


def _is_number(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def _draw_against(axes: Axes, rows: Sequence[CollapseRow], *, active: bool) -> None:
    ends = [0.0]
    for j, latent in enumerate(rows[0].latents):
        for i, row in enumerate(rows):
            trained, predicted = _totals([row.latents[latent]], active=active)
            colour = SERIES[i % len(SERIES)]
            axes.plot(predicted, trained, MARKERS[j], color=colour, ms=4, mew=0, alpha=0.8)
            ends += [*trained, *predicted]
    low, high = min(ends), max(ends) * 1.05 or 1.0
    axes.plot([low, high], [low, high], color=GREY, lw=0.8, zorder=0)
    _label(axes, "predicted", "trained")


def _totals(
    latents: Sequence[LatentComparison], *, active: bool
) -> tuple[list[float], list[float]]:
    """Means over seeds, trained and predicted."""
    trained, predicted = [], []
    for of in latents:
        pair = (
            (of.active, of.predicted_active)
            if active
            else (of.kl.sum(axis=1), of.predicted_kl.sum(axis=1))
        )
        trained.append(float(pair[0].mean()))
        predicted.append(float(pair[1].mean()))
    return trained, predicted


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=TICK_SIZE - 1, framealpha=0.8, edgecolor="none")


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=LABEL_SIZE, parse_math=False)
    axes.set_ylabel(y, fontsize=LABEL_SIZE)
