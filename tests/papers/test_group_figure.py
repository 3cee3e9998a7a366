"""Groups against each other, looked at as matplotlib sees them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from introsearch.figures.style import image
from introsearch.papers.group_figure import draw_groups


def test_means_over_seeds_with_a_band() -> None:
    seeds = {"kl": {"a": [{10: 1.0, 20: 3.0}, {10: 2.0}], "b": [{10: 5.0, 20: 5.0}]}}
    figure = draw_groups(seeds, along="iteration", title="t")
    first, second = figure.axes[0].lines
    assert np.asarray(first.get_xydata()).tolist() == [[10, 1.5], [20, 3.0]]
    assert np.asarray(second.get_xydata()).tolist() == [[10, 5.0], [20, 5.0]]
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    std = math.sqrt(0.5)
    at_10 = np.asarray(band)[np.asarray(band)[:, 0] == 10][:, 1]
    assert at_10.min() == pytest.approx(1.5 - std)
    assert at_10.max() == pytest.approx(1.5 + std)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_a_series_looks_the_same_in_every_panel() -> None:
    seeds = {"x": {"a": [{1: 1.0}], "b": [{1: 2.0}]}, "y": {"b": [{1: 2.0}]}}
    figure = draw_groups(seeds, along="iteration", title="t")
    assert figure.axes[0].lines[1].get_color() == figure.axes[1].lines[0].get_color()


def test_wide_axes_are_logarithmic() -> None:
    wide = {"m": {"a": [{0.001: 1.0}, {10.0: 100.0}]}}
    assert draw_groups(wide, along="beta", title="t").axes[0].get_xscale() == "log"
    narrow = {"m": {"a": [{0.0: 1.0}, {10.0: 2.0}]}}
    axes = draw_groups(narrow, along="beta", title="t").axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")


@pytest.mark.parametrize(
    "seeds",
    [
        {"m": {"a": [{}]}},
        {"m": {"a": []}},
        {"m": {"a": [{1: math.nan}, {1: math.inf}]}, "$n_": {"$s_": [{1: 0.0, 2: -1.0}]}},
        {"m": {f"g{i}": [{j: float(i + j) for j in range(40)}] for i in range(12)}},
    ],
)
def test_hostile_values_draw_without_a_warning(seeds: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image(draw_groups(seeds, along="$x_", title="$")).startswith(b"\x89PNG")
