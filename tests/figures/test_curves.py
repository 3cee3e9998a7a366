"""Learning curves, looked at as matplotlib sees them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
from matplotlib.figure import Figure

from introsearch.figures.curves import draw_curves
from introsearch.figures.style import image

FORMATS: tuple[Literal["png", "pdf"], ...] = ("png", "pdf")


def draw(curves: dict[str, Any], *, rungs: Sequence[float] = ()) -> Figure:
    figure = draw_curves({"g": [*curves.values()]}, rungs={"g": rungs}, title="t", metric="kl")
    assert image(figure).startswith(b"\x89PNG")
    return figure


class TestCurves:
    CURVES: dict[str, Any] = {  # noqa: RUF012
        "a": ([1, 2, 3], [3.0, 2.0, 1.0], "finished"),
        "b": ([1, 2], [3.0, 2.5], "stopped"),
        "c": ([1, 2], [4.0, 1e9], "diverged"),
        "d": ([], [], "failed"),
        "e": ([1], [3.5], "running"),
        "f": ([1, 2, 3], [3.0, np.nan, 1.5], "finished"),
    }

    def test_legend_counts_every_trial(self) -> None:
        figure = draw(self.CURVES, rungs=[1, 2])
        texts = {text.get_text() for text in figure.legends[0].get_texts()}
        assert texts == {
            "finished (2)", "stopped (1)", "diverged (1)", "failed (1)", "running (1)", "rung",
        }  # fmt: skip

    def test_one_colour_per_status(self) -> None:
        handles = draw(self.CURVES).legends[0].legend_handles
        assert len({str(handle.get_color()) for handle in handles if handle}) == 5  # type: ignore[attr-defined]

    def test_rungs_are_vertical_lines(self) -> None:
        lines = draw(self.CURVES, rungs=[1.5, 2.5]).axes[0].lines
        places = [line.get_xdata() for line in lines if line.get_label() == "rung"]
        assert [list(np.asarray(place)) for place in places] == [[1.5, 1.5], [2.5, 2.5]]

    def test_curves_are_not_joined(self) -> None:
        curves = {"a": ([1, 2], [1.0, 2.0], "stopped"), "b": ([5], [3.0], "stopped")}
        line, ends = draw(curves).axes[0].lines[:2]
        np.testing.assert_equal(line.get_xdata(), [1, 2, np.nan, 5, np.nan])
        assert np.asarray(ends.get_xydata()).tolist() == [[2, 2], [5, 3]]

    def test_scale_is_logarithmic_only_if_all_are_positive(self) -> None:
        negative = self.CURVES | {"g": ([1], [-1.0], "stopped")}
        figures = [draw(self.CURVES), draw(negative)]
        assert [figure.axes[0].get_yscale() for figure in figures] == ["log", "linear"]

    @pytest.mark.parametrize("offset", [0.0, -10.0])
    def test_diverging_trials_do_not_stretch_the_axis(self, offset: float) -> None:
        curves = {
            name: (x, [v + offset if v < 1e3 else v for v in y], status)
            for name, (x, y, status) in self.CURVES.items()
        }
        low, high = draw(curves).axes[0].get_ylim()
        assert low < 1.0 + offset < 3.5 + offset < high < 20

    @pytest.mark.parametrize(
        "curves",
        [
            {},
            {"a": ([], [], "failed")},
            {"a": ([1, 2], [np.nan, np.inf], "diverged")},
            {"a": ([1, 2], [1.0, 1.0], "finished")},
            {"a": ([1, 2], [0.0, 0.0], "finished")},
            {"a": ([1, 2], [1e-300, 1e300], "diverged")},
        ],
    )
    def test_hostile_curves_draw_without_a_warning(self, curves: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for fmt in FORMATS:
                figure = draw_curves(
                    {"$g_": [*curves.values()]}, rungs={"$g_": [1]}, title="$", metric="$x_"
                )
                image(figure, fmt)

    def test_bad_curves_are_refused(self) -> None:
        with pytest.raises(ValueError, match="'done'"):
            draw({"a": ([1], [1.0], "done")})
        with pytest.raises(ValueError, match="zip"):
            draw({"a": ([1, 2], [1.0], "failed")})

    def test_a_panel_per_group(self) -> None:
        groups = {f"g{i}": [([1.0, 2.0], [float(i), 2.0], "finished")] for i in range(4)}
        figure = draw_curves(groups, rungs={}, title="t", metric="kl")
        assert [axes.get_title() for axes in figure.axes if axes.axison] == list(groups)
        assert image(figure, "pdf").startswith(b"%PDF")
        assert image(figure, "pdf") == image(figure, "pdf")

    def test_a_study_without_trials(self) -> None:
        for groups in ({}, {"a": [], "b": []}):
            figure = draw_curves(groups, rungs={"g": [5]}, title="t", metric="kl")
            assert "no trials yet" in {text.get_text() for text in figure.axes[0].texts}
