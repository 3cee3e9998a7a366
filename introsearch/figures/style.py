"""The look that all figures share: readable in a paper's column, and to the colour-blind.

Drawn with matplotlib's object interface on an Agg canvas: no display, no global state, and the
same input gives the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from introsearch.sample_sizes import sample_size

_DPI = 200
COLUMNS = 3  # of panels
_WIDTH_INCHES = 7.0  # both columns of a paper; fonts stay readable when it shrinks to one
_TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 9, 8, 7

# Okabe and Ito's palette, told apart by the colour-blind; markers repeat the distinction.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
GREY, BLACK = "#999999", "#000000"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, "#E69F00", "#56B4E9", BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def new_figure(title: str, *, height_inches: float) -> Figure:
    """A figure as wide as a page, with one line above it; wrapped if long."""
    dpi = sample_size(_DPI, few=40)  # where nobody looks at it
    figure = Figure(figsize=(_WIDTH_INCHES, height_inches), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    lines = textwrap.fill(title, width=95)
    figure.suptitle(lines, fontsize=_TITLE_SIZE, parse_math=False)
    return figure


def panels(
    names: Sequence[str], *, title: str, columns: int = COLUMNS
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel per name, row by row; one panel alone is as wide as the page."""
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    height = 3.6 if columns == 1 else 0.6 + 1.9 * rows
    figure = new_figure(title, height_inches=height)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[len(names) :]:
        unused.set_axis_off()
    return figure, axes[: len(names)]


def name(axes: Axes, text: str) -> None:
    """Write what a panel shows above it."""
    axes.set_title(text, fontsize=LABEL_SIZE, parse_math=False)


def image(figure: Figure, fmt: Literal["png", "pdf"] = "png") -> bytes:
    """The figure as a file: PNG at 200 dots per inch, or PDF. Equal figures give equal bytes."""
    if (engine := figure.get_layout_engine()) is not None:
        # Once. With an engine, every `savefig` lays out anew, after drawing everything in vain.
        engine.execute(figure)
        figure.set_layout_engine(None)
    stream = io.BytesIO()
    metadata = {"CreationDate": None} if fmt == "pdf" else None
    figure.savefig(stream, format=fmt, metadata=metadata)
    return stream.getvalue()
