"""Figure 2 of "Prior Learning in Introspective VAEs": log-variances with and without soft clipping.

introsearch run search_spaces/clipping.yaml --download
python analysis/prior_learning_figure2.py
"""

from __future__ import annotations

import argparse

from common import parser, read, run
from figures import add_out, over_training, write_figure


def draw(options: argparse.Namespace) -> None:
    """Write the figure."""
    client, result = read(options)
    runs = result.frame.explode("groups", ignore_index=True)
    metrics = ("prior_logvar_max", "fid_gen")
    seeds = over_training(client, result, runs, metrics=metrics, by="groups")
    title = f"{options.study}: the prior's largest log-variance"
    write_figure(seeds, along="iteration", title=title, path=options.out / "figure2")


if __name__ == "__main__":
    run(add_out(parser(__doc__, study="clipping")), draw)
