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

from introsearch.figures.models import points as figures
from introsearch.figures.models.points import draw_trial
from introsearch.figures.style import image
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

    def keep(figure: Figure) -> bytes:
        seen.append(figure)
        return image(figure)

    monkeypatch.setattr(figures, "image", keep)
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
        drawing = drawn[0].axes[1].images[0]
        assert drawing.origin == "lower"
        window = drawn[0].axes[1].get_window_extent()
        shown = pixels(image(drawn[0]))
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


def test_global_state_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    draw_trial(trial(), title="t")
    assert dict(matplotlib.rcParams) == before


def test_long_titles_fit(drawn: list[Figure]) -> None:
    draw_trial(trial(), title="a long word " * 20)
    box = drawn[0].get_suptitle()
    assert "\n" in box
    assert max(map(len, box.splitlines())) <= 95
