"""The JSON Schema of a cluster file, made from what validates it."""

from __future__ import annotations

import dataclasses

from introsearch.cluster.file import (
    OPTION,
    RESERVED,
    TEMP_FOLDER_LENGTH,
    TYPES,
    VALUE,
    keys_of,
)
from introsearch.settings.fields import Bounds, descriptions
from introsearch.study.file.schema import Schema


def cluster_schema() -> Schema:
    """The schema of a cluster file as plain JSON values (draft 2020-12)."""
    kinds = [
        {"const": kind, "description": (cls.__doc__ or "").partition("\n")[0]}
        for kind, cls in TYPES.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A cluster file of introsearch",
        "type": "object",
        "properties": {"type": {"description": "what the study runs on", "oneOf": kinds}},
        "required": ["type"],
        "allOf": [_of_type(kind, cls) for kind, cls in TYPES.items()],
    }


def _of_type(kind: str, cls: type) -> Schema:
    texts, fields = descriptions(cls), {f.name: f for f in dataclasses.fields(cls)}
    properties: Schema = {"type": True}
    for name in keys_of(cls):
        default = fields[name].default
        shown = {} if default in (dataclasses.MISSING, None, ()) else {"default": default}
        properties[name] = {"description": texts[name], **_value(fields[name]), **shown}
    return {
        "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
        "then": {
            "properties": properties,
            "required": [n for n in keys_of(cls) if fields[n].default is dataclasses.MISSING],
            "additionalProperties": False,
        },
    }


def _value(field: dataclasses.Field[object]) -> Schema:
    if field.name == "sbatch":
        return _options()
    if field.name == "setup":
        return {"type": ["array", "null"], "items": {"type": "string"}}
    if field.type == "int":
        bounds: Bounds = field.metadata["bounds"]
        return {"type": ["integer", "null"], "minimum": bounds.low}
    longest = {"maxLength": TEMP_FOLDER_LENGTH} if field.name == "temp_folder" else {}
    return {"type": "string" if field.default is dataclasses.MISSING else ["string", "null"]} | (
        longest
    )


def _options() -> Schema:
    """sbatch's options: it alone knows which there are."""
    value = {
        "anyOf": [
            {"type": ["integer", "boolean", "null"]},
            {"type": "string", "pattern": f"^{VALUE}$"},
        ]
    }
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{OPTION}$", "not": {"enum": sorted(RESERVED)}},
        "additionalProperties": value,
    }
