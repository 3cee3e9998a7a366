"""`introsearch schema`: JSON Schemas of the files that users write."""

from __future__ import annotations

import argparse
import json

from introsearch.cluster.schema import cluster_schema
from introsearch.commands.options import EXIT_DONE
from introsearch.study.file.schema import study_schema


def run(options: argparse.Namespace) -> int:
    """Print the schema of one kind of file."""
    schema = study_schema() if options.file == "study" else cluster_schema()
    print(json.dumps(schema, indent=2))
    return EXIT_DONE
