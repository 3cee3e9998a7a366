"""Figures of shallow VAEs hold in every shape that a trainer may hand out."""

import io

import numpy as np
import pytest
from matplotlib import image as mpl_image

from introsearch.figures.models.draw import draw_figure
from introsearch.training.figure_data import CollapseFigure


def figure(latents=("z",), channels=1, rows=("test image", "reconstruction"), **changes):
    random = np.random.default_rng(0)
    kl = tuple(np.sort(random.random(6))[::-1] for _ in latents)
    parts = {
        "latents": latents,
        "kl": kl,
        "predicted_kl": kl,
        "collapse_levels": np.array([0.0, 1e-9, 0.01, 0.1, 0.2, 3.0]),
        "delta": 0.05,
        "pictures": {row: random.random((16, 8, 8, channels)) for row in rows},
    }
    return CollapseFigure(**{**parts, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"latents": ("z1", "z2")},
        {"channels": 3},
        {"rows": ()},
        {"collapse_levels": np.zeros(6)},
    ],
)
def test_whatever_a_trainer_hands_out_is_drawn(changes):
    png = draw_figure(figure(**changes), title="digits, seed 0")
    drawn = mpl_image.imread(io.BytesIO(png), format="png")
    assert drawn.shape[1] == 1400
    assert drawn.std() > 0.05
