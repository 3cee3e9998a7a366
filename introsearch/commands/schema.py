"""`introsearch schema`: what may stand in the files that users write, for editors and readers."""

from __future__ import annotations

import argparse
import json

from introsearch.cluster.schema import cluster_reference, cluster_schema
from introsearch.commands.options import EXIT_DONE
from introsearch.study.file.schema import study_reference, study_schema


def run(options: argparse.Namespace) -> int:
    """Print the schema of one kind of file, or its reference."""
    of_study = options.file == "study"
    if options.markdown:
        print(study_reference() if of_study else cluster_reference(), end="")
    else:
        print(json.dumps(study_schema() if of_study else cluster_schema(), indent=2))
    return EXIT_DONE
