"""The JSON Schema of a study file, made from what validates it: registries and dataclasses.

An editor that knows it completes and describes keys, and marks unknown ones and values of a wrong
type or out of bounds. What concerns several keys at once is left to `introsearch plan`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

from introsearch.extensions import KINDS, PATH
from introsearch.registry import METRICS, TRAINERS
from introsearch.settings.base import settings_class
from introsearch.settings.fields import Bounds, descriptions, field_type
from introsearch.study.file.loader import NAME, REQUIRED, TOP_LEVEL, VARIANT_NAME
from introsearch.study.file.sections import required_fields
from introsearch.study.model import (
    Budget,
    EarlyTermination,
    Metric,
    Resources,
    Seeds,
    Study,
    Tpe,
    Variant,
)
from introsearch.study.parameters import DISTRIBUTIONS, Parameter

Schema = dict[str, Any]
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_ANY_PATH: Schema = {"pattern": f"^{PATH}$"}


def study_schema() -> Schema:
    """The schema of a study file as plain JSON values (draft 2020-12)."""
    sections: dict[str, Schema] = {
        "name": {"type": "string", "pattern": f"^{NAME}$"},
        "metric": _metric(),
        "metrics": {"type": "array", "items": _own_metric()},
        "groups": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "seeds": _section(Seeds),
        "parameters": _parameters(),
        "variants": {
            "type": "object",
            "propertyNames": {"pattern": f"^{VARIANT_NAME}$"},
            "additionalProperties": _variant(),
        },
        "early_terminate": _section(EarlyTermination),
        "tpe": _section(Tpe),
        "budget": _section(Budget),
        "resources": _section(Resources),
    }
    texts = descriptions(Study)
    properties = {
        key: {"description": texts[key], **(sections.get(key) or _field(Study, key))}
        for key in TOP_LEVEL
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A study of introsearch",
        **_object(properties, required=REQUIRED),
        **_only_known_settings(),
        "$defs": {name: _parameter(name) for name in _settings()},
    }


def _object(properties: Schema, *, required: tuple[str, ...] | list[str] = ()) -> Schema:
    """A mapping with no other keys, in which null leaves an optional one out."""
    return {
        "type": "object",
        "properties": {
            key: schema if key in required else _or_null(schema)
            for key, schema in properties.items()
        },
        "required": list(required),
        "additionalProperties": False,
    }


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]}


def _section(cls: type) -> Schema:
    texts = descriptions(cls)
    properties = {
        f.name: {"description": texts[f.name], **_field(cls, f.name)}
        for f in dataclasses.fields(cls)
    }
    return _object(properties, required=required_fields(cls))


def _metric() -> Schema:
    """The goal of a registered metric is known, if it has one."""
    schema = _section(Metric)
    without = [name for name, entry in METRICS.items() if not entry.goal]
    return {
        **schema,
        "required": ["name"],
        "if": {"properties": {"name": {"anyOf": [_ANY_PATH, {"enum": without}]}}},
        "then": {"required": ["goal"]},
    }


def _own_metric() -> Schema:
    schema = _section(Metric)
    schema["properties"]["name"] = _own("metric")
    return schema


def _field(cls: type, name: str) -> Schema:
    """What the field of a dataclass accepts, and its default."""
    (f,) = [f for f in dataclasses.fields(cls) if f.name == name]
    wanted, bounds = field_type(cls, name), f.metadata.get("bounds", Bounds())
    schema: Schema = {"type": _TYPES[wanted.scalar]}
    if "legal" in f.metadata:
        schema = {"enum": list(f.metadata["legal"])}
    if "kind" in f.metadata:
        schema = {"anyOf": [{"enum": list(f.metadata["only"])}, _own(f.metadata["kind"])]}
    limits = {
        "minimum": bounds.low,
        "exclusiveMinimum": bounds.above,
        "exclusiveMaximum": bounds.below,
    }
    schema |= {word: limit for word, limit in limits.items() if math.isfinite(limit)}
    if wanted.many:
        schema = {"type": "array", "items": schema}
    if f.default not in (dataclasses.MISSING, None):
        schema["default"] = list(f.default) if wanted.many else f.default
    return schema


def _own(kind: str) -> Schema:
    description = f"{KINDS[kind].what} of your own, e.g. {KINDS[kind].example}"
    return {"type": "string", **_ANY_PATH, "description": description}


@functools.cache
def _settings() -> dict[str, tuple[type, ...]]:
    """The settings of all registered trainers, and whose each one is."""
    owners: dict[str, tuple[type, ...]] = {}
    for trainer in TRAINERS:
        cls: Any = settings_class(trainer)
        for f in dataclasses.fields(cls):
            owners[f.name] = (*owners.get(f.name, ()), cls)
    return owners


def _parameter(name: str) -> Schema:
    """A setting as a constant, or in one of the forms that give it several values."""
    owners = _settings()[name]
    fields = [_field(cls, name) for cls in owners]
    default = {"default": fields[0]["default"]} if "default" in fields[0] else {}
    value = _any_of([{k: v for k, v in f.items() if k != "default"} for f in fields])
    wanted = field_type(owners[0], name)
    forms = _forms(
        _or_null(value) if wanted.optional else value, numeric=wanted.scalar in (int, float)
    )
    described = {"description": descriptions(owners[0])[name], **default}
    return _or_null({**described, **_any_of([value, *forms])})


def _any_of(schemas: list[Schema]) -> Schema:
    """One of them, without repetition or nesting."""
    flat = [part for schema in schemas for part in schema.get("anyOf", [schema])]
    different = [part for i, part in enumerate(flat) if part not in flat[:i]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _forms(value: Schema, *, numeric: bool) -> list[Schema]:
    texts = descriptions(Parameter)
    number: Schema = {"type": "number"}
    several = {"type": "array", "minItems": 1}
    words: dict[str, Schema] = {
        "times": {"type": "string"},
        "by": {"type": "string"},
        "distribution": {"enum": list(DISTRIBUTIONS)},
        "min": number,
        "max": number,
    }

    def form(*names: str, optional: str = "", **more: Schema) -> Schema:
        schemas = {n: words[n] for n in names} | more
        if optional:
            schemas[optional] = words[optional]
        described = {n: {"description": texts[n], **schema} for n, schema in schemas.items()}
        return _object(described, required=[*names, *more])

    forms = [
        form(values={**several, "items": value}),
        form("by", values={"type": "object", "additionalProperties": value}),
    ]
    forms[-1]["properties"]["values"]["description"] = texts["table"]
    if numeric:
        forms += [
            form("times", values={**several, "items": number}),
            form("distribution", "min", "max", optional="times"),
        ]
    return forms


def _parameters() -> Schema:
    return {
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{name}"} for name in _settings()},
    }


def _variant() -> Schema:
    trainer = {"description": descriptions(Variant)["trainer"], **_field(Study, "trainer")}
    parameters = _parameters()
    parameters["properties"] |= {"trainer": _or_null(trainer)}
    return _or_null(parameters)


def _only_known_settings() -> Schema:
    """Other keys are errors, unless a trainer is the user's own: then its settings are unknown."""
    registered = {"trainer": {"enum": [*TRAINERS, None]}}
    known = list(_settings())
    every_variant = {"additionalProperties": {"properties": registered}}
    variant_keys = {"propertyNames": {"enum": ["trainer", *known]}}
    return {
        "if": {"properties": {**registered, "variants": every_variant}},
        "then": {
            "properties": {
                "parameters": {"propertyNames": {"enum": known}},
                "variants": {"additionalProperties": variant_keys},
            }
        },
    }
