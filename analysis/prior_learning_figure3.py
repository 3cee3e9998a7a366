"""Figure 3 of "Prior Learning in Introspective VAEs": samples, density and latent space.

    introsearch run search_spaces/2d_grid.yaml
    python analysis/prior_learning_figure3.py

Writes a figure per data set, a column per prior, as PNG and PDF. The first finished report seed of
each group is shown, from its checkpoint in the study's folder.
"""

from __future__ import annotations

import argparse

from common import parser, run
from figures import add_out
from trained_models import draw_trained

from introsearch.papers.model_figure import draw_models
from introsearch.training.figure_data import TrialFigure


def draw(options: argparse.Namespace) -> None:
    """Write all figures, and say where."""
    draw_trained(
        options,
        kind=TrialFigure,
        draw=lambda models, title: draw_models(models, title=title),
        prefix="figure3",
    )


if __name__ == "__main__":
    run(add_out(parser(__doc__, study="2d-grid")), draw)
