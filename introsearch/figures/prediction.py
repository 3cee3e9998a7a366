"""Predicted posterior collapse as a figure: the spectrum, active modes and KL."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from introsearch.figures.style import BLACK, BLUE, GREY, VERMILLION, image, new_figure
from introsearch.theory.predict import Prediction

_SIZE = 8
_LINES = 6


def draw_prediction(prediction: Prediction, *, title: str) -> bytes:
    """Draw the spectrum with its thresholds, the KL by mode, and active modes over the grid.

    Args:
        prediction: of any model.
        title: one line above the panels; wrapped if long.

    Returns:
        A PNG image, 7 inches wide at 200 dots per inch.
    """
    figure: Figure = new_figure(title, height_inches=2.7)
    spectrum, kl, active = figure.subplots(1, 3)
    _draw_spectrum(spectrum, prediction)
    _draw_kl(kl, prediction)
    _draw_active(active, prediction)
    for axes in (spectrum, kl, active):
        axes.tick_params(labelsize=_SIZE - 1, length=2)
        axes.spines[["top", "right"]].set_visible(False)
    return image(figure)


def _draw_spectrum(axes: Axes, prediction: Prediction) -> None:
    theta2 = prediction.spectrum.theta**2
    largest = max(float(theta2.max()), 1e-30)
    shown = np.flatnonzero(theta2 > 1e-8 * largest)
    axes.plot(shown + 1, theta2[shown], ".", ms=3, color=BLUE)
    axes.axvline(prediction.latents + 0.5, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_yscale("log")
    if prediction.model == "hvae":
        _name(axes, "spectrum; dashes: latents", "mode", "eigenvalue of the data")
        return
    of = "the residual" if prediction.model == "cvae" else "the data"
    for cell in _some(prediction.cells):
        modes = range(1, prediction.latents + 1)
        axes.plot(modes, cell.optimum.threshold, color=VERMILLION, linewidth=0.6, alpha=0.7)
    _name(axes, "spectrum; red: thresholds", "mode", f"eigenvalue of {of}")


def _draw_kl(axes: Axes, prediction: Prediction) -> None:
    column = "kl_z2" if prediction.model == "hvae" else "kl"
    cells = [c for c in prediction.cells if c.modes()[0][column] is not None]
    for i, cell in enumerate(some := _some(cells)):
        values = [row[column] for row in cell.modes()]
        share = i / max(len(some) - 1, 1)
        axes.plot(
            range(1, len(values) + 1), values, ".-", ms=3, lw=0.8,
            color=(0.0, 0.75 * share, 0.7 - 0.3 * share), label=_label(cell, prediction),
        )  # fmt: skip
    if some:
        axes.legend(fontsize=_SIZE - 2, frameon=False, handlelength=1)
    else:
        axes.text(0.5, 0.5, "no unique minimum", ha="center", transform=axes.transAxes, fontsize=8)
    _name(axes, "KL by mode" + (" of z2" if column == "kl_z2" else ""), "mode", "nats")


def _draw_active(axes: Axes, prediction: Prediction) -> None:
    rows = prediction.summary()
    names = ("active_z1", "active_z2") if prediction.model == "hvae" else ("active",)
    axis = (_varied(prediction) or ["beta2" if prediction.model == "hvae" else "beta"])[0]
    for name, colour, marker in zip(names, (BLUE, VERMILLION), "ox", strict=False):
        label: str | None = name
        for points in _curves(rows, axis, name, others=set(prediction.cells[0].setting) - {axis}):
            x, y = zip(*sorted(points), strict=True)
            axes.plot(x, y, marker + "-", ms=4, lw=0.6, color=colour, label=label)
            label = None
    axes.set_ylim(-0.05 * prediction.latents, 1.05 * prediction.latents)
    axes.axhline(prediction.latents, color=BLACK, linewidth=0.5, linestyle=":")
    if len(names) > 1 and axes.lines[:-1]:
        axes.legend(fontsize=_SIZE - 2, frameon=False)
    _name(axes, f"active of {prediction.latents} modes", axis, "modes")


def _curves(
    rows: list[dict[str, Any]], axis: str, name: str, *, others: set[str]
) -> list[list[tuple[float, int]]]:
    """Points (axis, name) of rows that agree in all other settings, a list for each."""
    curves: dict[tuple[Any, ...], list[tuple[float, int]]] = {}
    for row in rows:
        if row[name] is not None and row[axis] is not None:
            key = tuple(row[other] for other in sorted(others))
            curves.setdefault(key, []).append((row[axis], row[name]))
    return list(curves.values())


def _some(cells: Any) -> list[Any]:
    """As many cells as a panel can tell apart, the first and the last among them."""
    chosen = np.linspace(0, len(cells) - 1, min(len(cells), _LINES)).round().astype(int)
    return [cells[i] for i in chosen]


def _varied(prediction: Prediction) -> list[str]:
    names = prediction.cells[0].setting
    return [n for n in names if len({c.setting[n] for c in prediction.cells}) > 1]


def _label(cell: Any, prediction: Prediction) -> str:
    varied = _varied(prediction) or list(cell.setting)[:2]
    return ", ".join(
        f"{n} {'learnt' if cell.setting[n] is None else format(cell.setting[n], 'g')}"
        for n in varied
    )


def _name(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=_SIZE)
    axes.set_xlabel(x, fontsize=_SIZE)
    axes.set_ylabel(y, fontsize=_SIZE)
