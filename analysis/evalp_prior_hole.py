"""The prior hole, as in Figure 5 of EVaLP: metrics over the weight of the KL divergence.

introsearch run search_spaces/evalp_prior_hole.yaml --data-dir DATA
python analysis/evalp_prior_hole.py
"""

from __future__ import annotations

import argparse

from common import parser, read, run
from figures import add_out, along_parameter, write_figure

METRICS = ("mmd_latent", "fid_gen", "rec_test", "active_units")


def draw(options: argparse.Namespace) -> None:
    """Write the figure."""
    _, result = read(options)
    seeds = along_parameter(result, metrics=METRICS, parameter="beta_kl")
    title = f"{options.study}: a prior fitted afterwards, and the VAE's own"
    write_figure(seeds, along="beta_kl", title=title, path=options.out / "prior_hole")


if __name__ == "__main__":
    run(add_out(parser(__doc__, study="evalp-prior-hole")), draw)
