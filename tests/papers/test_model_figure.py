"""Several models side by side."""

from __future__ import annotations

import numpy as np

from introsearch.figures.style import image
from introsearch.papers.model_figure import draw_models
from introsearch.training.figure_data import TrialFigure


def model(seed: int) -> TrialFigure:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(50, 2)).astype(np.float32)
    return TrialFigure(
        real=points,
        samples=points,
        density=rng.uniform(size=(8, 8)).astype(np.float32),
        half_width=2.0,
        latents=points,
        component_means=np.zeros((1, 2), np.float32),
        component_stds=np.ones((1, 2), np.float32),
        component_weights=np.ones(1, np.float32),
    )


def test_a_column_per_model() -> None:
    figure = draw_models({"SG": model(0), "IP (LC)": model(1)}, title="$rings_")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["SG", "IP (LC)", "", "", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "samples on data", "density (sqrt. scale)", "latent space",
    ]  # fmt: skip
    assert image(figure).startswith(b"\x89PNG")
    assert image(draw_models({"one": model(0)}, title="t"), "pdf").startswith(b"%PDF")
