"""Figures: what is drawn where, that hostile input is survived, and that nothing is global."""

from __future__ import annotations

import io
import time
import warnings
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.image import imread

from introsearch.results import figures
from introsearch.results.figures import draw_study, draw_trial
from introsearch.training.figure_data import TrialFigure

K, N, G = 16, 500, 32


def trial(**changes: Any) -> TrialFigure:
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "real": rng.normal(size=(N, 2)),
        "samples": rng.normal(size=(N, 2)),
        "density": rng.uniform(size=(G, G)),
        "half_width": 4.0,
        "latents": rng.normal(size=(N, 2)),
        "component_means": rng.normal(size=(K, 2)),
        "component_stds": rng.uniform(0.1, 0.5, size=(K, 2)),
        "component_weights": np.full(K, 1 / K),
    }
    return TrialFigure(**(fields | changes))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures behind the bytes, for looking at what they hold."""
    seen: list[Figure] = []
    png = figures._png

    def keep(figure: Figure) -> bytes:
        seen.append(figure)
        return png(figure)

    monkeypatch.setattr(figures, "_png", keep)
    return seen


def pixels(png: bytes) -> Any:
    assert png.startswith(b"\x89PNG")
    return imread(io.BytesIO(png))


class TestTrial:
    def test_size_speed_and_determinism(self) -> None:
        first = draw_trial(trial(), title="t")
        start = time.process_time()
        assert draw_trial(trial(), title="t") == first
        assert time.process_time() - start < 3.0
        assert pixels(first).shape[:2] == (550, 1400)

    def test_panels_share_the_window(self, drawn: list[Figure]) -> None:
        draw_trial(trial(half_width=2.0), title="t")
        samples, density, latent = drawn[0].axes
        for axes in (samples, density):
            assert axes.get_xlim() == axes.get_ylim() == (-2.0, 2.0)
        assert all(axes.get_aspect() == 1 for axes in (samples, density, latent))

    def test_density_row_is_y(self, drawn: list[Figure]) -> None:
        values = np.zeros((G, G))
        values[-1, 0] = 1.0  # large y, small x: the upper left corner
        draw_trial(trial(density=values), title="t")
        image = drawn[0].axes[1].images[0]
        assert image.origin == "lower"
        window = drawn[0].axes[1].get_window_extent()
        shown = pixels(figures._png(drawn[0]))
        corner = shown[int(shown.shape[0] - window.y1) + 4, int(window.x0) + 4]
        other = shown[int(shown.shape[0] - window.y0) - 5, int(window.x1) - 5]
        assert corner[:2].min() > 0.85  # viridis' yellow
        assert other[1] < 0.1  # and its violet

    def test_density_scale_ignores_single_spikes(self) -> None:
        values = np.ones((100, 100))
        values[0, :3] = np.array([1e30, np.inf, 1e12])
        clipped, top = figures._clip_density(values)
        assert top == 1.0
        assert clipped.max() == 1.0

    def test_density_keeps_narrow_peaks(self) -> None:
        values = np.full((100, 100), 1e-6)
        values[50, 50:70] = 1.0  # 0.2 percent of the window
        assert figures._clip_density(values)[1] == 1.0

    def test_density_stays_missing_where_it_is_nan(self) -> None:
        clipped, _ = figures._clip_density(np.array([[np.nan, 1.0], [-np.inf, np.inf]]))
        assert np.isnan(clipped[0, 0])
        assert clipped[1].tolist() == [0.0, 1.0]

    def test_samples_outside_are_counted(self, drawn: list[Figure]) -> None:
        samples = np.zeros((200, 2))
        samples[:3] = np.array([[9, 0], [np.nan, 0], [0, np.inf]])
        draw_trial(trial(samples=samples), title="t")
        draw_trial(trial(samples=np.zeros((200, 2))), title="t")
        assert "1.5% outside" in drawn[0].axes[0].get_title()
        assert "outside" not in drawn[1].axes[0].get_title()

    def test_ellipses_are_one_sigma_and_shaded_by_weight(self, drawn: list[Figure]) -> None:
        weights = np.array([0.8, 0.15, 0.05])
        means, stds = np.eye(3, 2), np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
        draw_trial(
            trial(component_means=means, component_stds=stds, component_weights=weights),
            title="t",
        )
        (ellipses,) = (c for c in drawn[0].axes[2].collections if isinstance(c, EllipseCollection))
        assert np.allclose(ellipses.get_widths(), 2 * stds[:, 0])
        assert np.allclose(ellipses.get_heights(), 2 * stds[:, 1])
        assert np.allclose(ellipses.get_offsets(), means)
        opacity = np.asarray(ellipses.get_edgecolor())[:, 3]
        assert opacity[0] > opacity[1] > opacity[2] > 0

    def test_latent_window_is_robust(self, drawn: list[Figure]) -> None:
        latents = trial().latents.copy()
        latents[0] = 1e6
        means = trial().component_means.copy()
        means[0] = -1e5  # in use, but far off
        stds = trial().component_stds.copy()
        stds[1] = 1e7
        draw_trial(trial(latents=latents, component_means=means, component_stds=stds), title="t")
        low, high = drawn[0].axes[2].get_xlim()
        assert -12 < low < -2 < 2 < high < 12

    def test_latent_window_shows_the_prior_beyond_the_posterior(self) -> None:
        latents = np.random.default_rng(0).uniform(-1, 1, size=(N, 2))
        limits = figures._latent_limits(latents, np.zeros((1, 2)), np.full((1, 2), 2.0), np.ones(1))
        assert all(low <= -2 and high >= 2 for low, high in limits)
        (x_low, x_high), (y_low, y_high) = limits
        assert x_high - x_low == pytest.approx(y_high - y_low)

    @pytest.mark.parametrize(
        "changes",
        [
            {"density": np.full((G, G), np.nan)},
            {"density": np.zeros((G, G))},
            {"density": np.full((G, G), np.inf)},
            {"density": np.full((G, G), 1e-300)},
            {"density": np.full((G, G), 3e38, dtype=np.float32)},
            {"samples": np.full((N, 2), np.nan)},
            {"latents": np.full((N, 2), np.inf)},
            {"latents": np.zeros((N, 2))},
            {"component_means": np.full((K, 2), np.nan)},
            {"component_stds": np.zeros((K, 2))},
            {"component_weights": np.zeros(K)},
            {"component_weights": np.full(K, np.nan)},
            {name: np.zeros((0, 2)) for name in ("real", "samples", "latents")},
            {name: np.zeros((1, 2)) for name in ("real", "samples", "latents")},
            {
                "component_means": np.zeros((1, 2), np.float32),
                "component_stds": np.ones((1, 2), np.float32),
                "component_weights": np.ones(1, np.float32),
            },
        ],
    )
    def test_hostile_arrays_draw_without_a_warning(self, changes: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pixels(draw_trial(trial(**changes), title="$broken_{ 100%"))


class TestStudy:
    CURVES: dict[str, Any] = {  # noqa: RUF012
        "a": ([1, 2, 3], [3.0, 2.0, 1.0], "finished"),
        "b": ([1, 2], [3.0, 2.5], "stopped"),
        "c": ([1, 2], [4.0, 1e9], "diverged"),
        "d": ([], [], "failed"),
        "e": ([1], [3.5], "running"),
        "f": ([1, 2, 3], [3.0, np.nan, 1.5], "finished"),
    }

    def test_legend_counts_every_trial(self, drawn: list[Figure]) -> None:
        pixels(draw_study(self.CURVES, rungs=[1, 2], title="t", metric="kl"))
        texts = {text.get_text() for text in drawn[0].legends[0].get_texts()}
        assert texts == {
            "finished (2)", "stopped (1)", "diverged (1)", "failed (1)", "running (1)", "rung",
        }  # fmt: skip

    def test_one_colour_per_status(self, drawn: list[Figure]) -> None:
        draw_study(self.CURVES, rungs=[], title="t", metric="kl")
        handles = drawn[0].legends[0].legend_handles
        assert len({str(handle.get_color()) for handle in handles if handle}) == 5  # type: ignore[attr-defined]

    def test_rungs_are_vertical_lines(self, drawn: list[Figure]) -> None:
        draw_study(self.CURVES, rungs=[1.5, 2.5], title="t", metric="kl")
        places = [line.get_xdata() for line in drawn[0].axes[0].lines if line.get_label() == "rung"]
        assert [list(np.asarray(place)) for place in places] == [[1.5, 1.5], [2.5, 2.5]]

    def test_curves_are_not_joined(self, drawn: list[Figure]) -> None:
        curves = {"a": ([1, 2], [1.0, 2.0], "stopped"), "b": ([5], [3.0], "stopped")}
        draw_study(curves, rungs=[], title="t", metric="kl")
        line, ends = drawn[0].axes[0].lines[:2]
        np.testing.assert_equal(line.get_xdata(), [1, 2, np.nan, 5, np.nan])
        assert np.asarray(ends.get_xydata()).tolist() == [[2, 2], [5, 3]]

    def test_scale_is_logarithmic_only_if_all_are_positive(self, drawn: list[Figure]) -> None:
        draw_study(self.CURVES, rungs=[], title="t", metric="kl")
        negative = self.CURVES | {"g": ([1], [-1.0], "stopped")}
        draw_study(negative, rungs=[], title="t", metric="kl")
        assert [figure.axes[0].get_yscale() for figure in drawn] == ["log", "linear"]

    @pytest.mark.parametrize("offset", [0.0, -10.0])
    def test_diverging_trials_do_not_stretch_the_axis(
        self, drawn: list[Figure], offset: float
    ) -> None:
        curves = {
            name: (x, [v + offset if v < 1e3 else v for v in y], status)
            for name, (x, y, status) in self.CURVES.items()
        }
        draw_study(curves, rungs=[], title="t", metric="kl")
        low, high = drawn[0].axes[0].get_ylim()
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
            pixels(draw_study(curves, rungs=[1], title="$", metric="$x_"))

    def test_bad_curves_are_refused(self) -> None:
        with pytest.raises(ValueError, match="'done'"):
            draw_study({"a": ([1], [1.0], "done")}, rungs=[], title="t", metric="kl")
        with pytest.raises(ValueError, match="zip"):
            draw_study({"a": ([1, 2], [1.0], "failed")}, rungs=[], title="t", metric="kl")


def test_global_state_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    draw_trial(trial(), title="t")
    draw_study(TestStudy.CURVES, rungs=[2], title="t", metric="kl")
    assert dict(matplotlib.rcParams) == before


def test_long_titles_fit(drawn: list[Figure]) -> None:
    draw_trial(trial(), title="a long word " * 20)
    box = drawn[0].get_suptitle()
    assert "\n" in box
    assert max(map(len, box.splitlines())) <= 95
