"""The JSON Schema of a cluster file, and its reference, made from what validates it."""

from __future__ import annotations

from introsearch.cluster.file import TYPES
from introsearch.settings.reference import page, settings_table
from introsearch.settings.schema import Schema, schema_of


def cluster_schema() -> Schema:
    """The schema of a cluster file as plain JSON values (draft 2020-12)."""
    of_types = {kind: schema_of(cls) for kind, cls in TYPES.items()}
    kinds = [{"const": kind, "description": s["description"]} for kind, s in of_types.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A cluster file of introsearch",
        "type": "object",
        "properties": {"type": {"description": "what the study runs on", "oneOf": kinds}},
        "required": ["type"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
                "then": {**schema, "properties": {**schema["properties"], "type": True}},
            }
            for kind, schema in of_types.items()
        ],
    }


def cluster_reference() -> str:
    """The reference of cluster files, in Markdown."""
    parts = {}
    for kind, cls in TYPES.items():
        schema = schema_of(cls)
        parts[f"`type: {kind}`"] = (
            f"{schema['description']}\n\n{settings_table(schema, without=['type'])}"
        )
    return page("Cluster files: every key", parts)
