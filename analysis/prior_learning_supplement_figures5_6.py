"""Supplementary Figures 5 and 6 of "Prior Learning in Introspective VAEs": latent spaces.

    introsearch run search_spaces/images_entropy.yaml --download
    python analysis/prior_learning_supplement_figures5_6.py

Writes a figure per data set, a column per prior, as PNG and PDF: the first two latent dimensions
with the prior's means sized by their weights (Figure 5), and t-SNE of the aggregated posterior
(Figure 6). The first finished report seed of each group is shown, from its checkpoint in the
study's folder.
"""

from __future__ import annotations

import argparse

from common import parser, run
from figures import add_out
from trained_models import draw_trained

from introsearch.figures.models.latents import draw_latent_spaces
from introsearch.training.figure_data import ImageFigure


def draw(options: argparse.Namespace) -> None:
    """Write all figures, and say where."""
    draw_trained(
        options,
        kind=ImageFigure,
        draw=lambda models, title: draw_latent_spaces(models, title=title),
        prefix="latents",
    )


if __name__ == "__main__":
    run(add_out(parser(__doc__, study="images-entropy")), draw)
