"""The comparison of EVaLP: priors fitted to a frozen VAE, by what they generate and how they match.

    introsearch run search_spaces/evalp_images.yaml --data-dir DATA
    python analysis/evalp_table.py

`--study evalp-ablations`, `latent-priors` or `evalp-digits` shows those in the same way. Of the
paper's own numbers only orders are known here, see the study files.
"""

from __future__ import annotations

import argparse

from common import parser, read, run

from introsearch.papers.tables import paper_table
from introsearch.results.tables.formats import FORMATS

METRICS = (
    "fid_gen", "kid_gen", "precision_gen", "recall_gen", "mmd_latent", "mmd_null", "sampling_ms",
)  # fmt: skip


def show(options: argparse.Namespace) -> None:
    """Print the table."""
    _, result = read(options)
    print(paper_table(result, metrics=METRICS, names={}, fmt=options.format))


if __name__ == "__main__":
    options = parser(__doc__, study="evalp-images")
    options.add_argument("--format", choices=FORMATS, default="md", help="(default: md)")
    run(options, show)
