"""Figures of image models hold in every shape that a model may hand out."""

import io

import numpy as np
import pytest
from matplotlib import image as mpl_image

from introsearch.figures.models import images as image_figures
from introsearch.figures.models.images import draw_history, draw_images
from introsearch.training.figure_data import ImageFigure


def figure(channels=1, classes=10, components=12, **changes):
    random = np.random.default_rng(0)
    n, size = 40, (8, 8, channels)
    parts = {
        "samples": random.random((64, *size)),
        "originals": random.random((n, *size)),
        "reconstructions": random.random((n, *size)),
        "components": random.random((components, *size)),
        "latents": random.normal(size=(n, 2)),
        "labels": np.arange(n) % classes,
        "component_means": random.normal(size=(components, 2)),
        "component_weights": np.full(components, 1 / max(components, 1)),
        "aggregate": random.normal(size=(n, 2)),
        "prior_latents": random.normal(size=(0 if components else n, 2)),
    }
    return ImageFigure(**{**parts, **changes})


def pixels(png):
    return mpl_image.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channels": 3},
        {"classes": 40},
        {"components": 1},
        {"components": 0},
        {"aggregate": np.empty((0, 2))},
        {"latents": np.full((40, 2), np.nan)},
        {"component_weights": np.zeros(12)},
    ],
)
def test_whatever_a_model_hands_out_is_drawn(changes):
    drawn = pixels(draw_images(figure(**changes), title="digits / ip_lc, seed 0"))
    assert drawn.shape[1] == 1400
    assert drawn.std() > 0.05


def test_equal_figures_give_equal_bytes_and_others_do_not():
    first = draw_images(figure(), title="a")
    assert first == draw_images(figure(), title="a")
    assert first != draw_images(figure(samples=np.zeros((64, 8, 8, 1))), title="a")


def test_samples_stand_for_a_prior_without_components(monkeypatch):
    monkeypatch.setattr(image_figures, "image", lambda figure: figure)
    titles = [axes.get_title() for axes in draw_images(figure(components=0), title="x").axes]
    assert titles[0] == "samples"
    assert titles[2].startswith("posterior (dots), prior samples")
    assert len(titles) == 4
    titles = [axes.get_title() for axes in draw_images(figure(), title="x").axes]
    assert titles[3].startswith("posterior (dots), prior means")
    assert len(titles) == 5


def test_history_has_a_panel_per_metric():
    curves = {"fid_gen": ([1, 2], [30.0, 3.0]), "prior_logvar_max": ([1, 2], [-1.0, 5.0])}
    two, one = draw_history(curves, title="x"), draw_history({"fid_gen": ([1], [0.0])}, title="x")
    assert pixels(two).std() > 0.05
    assert two != one


def test_a_distance_over_time_is_logarithmic_where_that_has_ticks(monkeypatch):
    monkeypatch.setattr(image_figures, "image", lambda figure: figure)
    for values, scale in (([30.0, 3.0], "log"), ([30.0, 4.0], "linear"), ([30.0, 0.0], "linear")):
        drawn = draw_history({"fid_gen": ([1, 2], values)}, title="x")
        assert drawn.axes[0].get_yscale() == scale
