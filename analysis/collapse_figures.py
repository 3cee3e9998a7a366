"""Posterior collapse of a study: KL by mode, against the spectrum and along a setting.

introsearch run search_spaces/collapse_linear.yaml
python analysis/collapse_figures.py --along beta

Writes one figure of all that was trained beside what the closed form of linear maps predicts.
"""

from __future__ import annotations

import argparse

from common import parser, read, run
from figures import add_out, save

from introsearch.papers.collapse_figure import draw_collapse_study
from introsearch.papers.collapse_table import collapse_rows, summary


def draw(options: argparse.Namespace) -> None:
    """Write the figure, and say how well the two agree."""
    _, result = read(options)
    rows = collapse_rows(result)
    title = f"{options.study}: posterior collapse, trained and predicted"
    figure = draw_collapse_study(rows, along=options.along, title=title)
    save(figure, options.out / options.study)
    print(summary(rows))


if __name__ == "__main__":
    options = add_out(parser(__doc__, study="collapse-linear"))
    options.add_argument(
        "--along", default="", metavar="SETTING", help="a number, e.g. beta or rho"
    )
    run(options, draw)
