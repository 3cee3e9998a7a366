"""Supplementary Figure 4 of "Prior Learning in Introspective VAEs": weights of the entropy term.

    introsearch run search_spaces/images_entropy.yaml --download
    python analysis/prior_learning_supplement_figure4.py

Writes a figure per data set and prior, from the select stage: responsibility entropy and FID over
training, a line per weight r_entropy.
"""

from __future__ import annotations

import argparse

from common import parser, read, run
from figures import add_out, over_training, write_figure

from introsearch.errors import ConfigError


def draw(options: argparse.Namespace) -> None:
    """Write all figures."""
    client, result = read(options)
    runs = result.frame[result.frame["seed"].isin(result.study.seeds.select)]
    runs = runs.explode("groups", ignore_index=True)
    if "param.r_entropy" not in runs or runs.empty:
        raise ConfigError(f"{options.study!r} has no select trials with several r_entropy")
    metrics = ("responsibility_entropy", "fid_gen")
    for group, of_group in runs.groupby("groups", sort=False):
        if of_group["param.r_entropy"].nunique() > 1:
            seeds = over_training(client, result, of_group, metrics=metrics, by="param.r_entropy")
            path = options.out / f"entropy_{str(group).replace(' / ', '_')}"
            write_figure(seeds, along="iteration", title=f"{group}, by r_entropy", path=path)


if __name__ == "__main__":
    run(add_out(parser(__doc__, study="images-entropy")), draw)
