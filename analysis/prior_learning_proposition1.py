"""Proposition 1 of "Prior Learning in Introspective VAEs": ELBO parts of fixed sets of images.

introsearch run search_spaces/proposition1.yaml
python analysis/prior_learning_proposition1.py

Writes a figure per case: what the encoder makes of both sets while it is over-fitted to them.
"""

from __future__ import annotations

import argparse

from common import parser, read, run
from figures import add_out, over_training, write_figure

PARTS = ("nelbo", "rec", "kl")


def draw(options: argparse.Namespace) -> None:
    """Write all figures."""
    client, result = read(options)
    runs = result.frame.explode("groups", ignore_index=True)
    for group, of_group in runs.groupby("groups", sort=False):
        seeds = {}
        for part in PARTS:
            names = {s: f"loss/{part}_{s}" for s in ("real", "fake")}
            curves = over_training(
                client, result, of_group, metrics=list(names.values()), by="groups"
            )
            seeds[part] = {s: curves[name][str(group)] for s, name in names.items()}
        path = options.out / f"proposition1_{str(group).replace(' / ', '_')}"
        write_figure(seeds, along="iteration", title=f"{options.study}: {group}", path=path)


if __name__ == "__main__":
    run(add_out(parser(__doc__, study="proposition1")), draw)
