"""Posterior collapse as trained and as predicted: active modes and KL of every setting of a study.

introsearch run search_spaces/collapse_linear.yaml
python analysis/collapse_table.py

`--study collapse-cvae-correlation`, `collapse-cvae-images` or `collapse-hvae` shows those.
"""

from __future__ import annotations

import argparse

from common import parser, read, run

from introsearch.papers.collapse_table import collapse_table
from introsearch.results.tables.formats import FORMATS


def show(options: argparse.Namespace) -> None:
    """Print the table."""
    print(collapse_table(read(options)[1], fmt=options.format))


if __name__ == "__main__":
    options = parser(__doc__, study="collapse-linear")
    options.add_argument("--format", choices=FORMATS, default="md", help="(default: md)")
    run(options, show)
