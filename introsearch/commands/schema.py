"""`introsearch schema`: JSON Schemas of the files that users write."""

from __future__ import annotations

import argparse
import json

from introsearch.commands.options import EXIT_DONE, Commands


def add_schema(commands: Commands) -> None:
    """Add the command to a parser's."""
    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of a file, for editors",
        description="Print the JSON Schema of a file, with which editors complete and check it.",
    )
    schema.add_argument("file", choices=("study", "cluster"), help="which file's")
    schema.set_defaults(command=_schema)


def _schema(options: argparse.Namespace) -> int:
    from introsearch.cluster.schema import cluster_schema
    from introsearch.study.file.schema import study_schema

    schema = study_schema() if options.file == "study" else cluster_schema()
    print(json.dumps(schema, indent=2))
    return EXIT_DONE
