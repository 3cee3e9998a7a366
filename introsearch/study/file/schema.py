"""The JSON Schema of a study file, made from the models that validate it.

An editor that knows it completes and describes keys, and marks unknown ones and values of a wrong
type or out of bounds. What concerns several keys at once is left to `introsearch plan`.
"""

from __future__ import annotations

import copy
import functools

from introsearch.extensions import PATH
from introsearch.registry import METRICS, TRAINERS, is_asked
from introsearch.settings.base import settings_class, written_type
from introsearch.settings.model import Section
from introsearch.settings.reference import page, settings_table
from introsearch.settings.schema import Schema, or_null, own_path, schema_of, type_of
from introsearch.study.forms import Draws, Lookup, Values
from introsearch.study.model import Study
from introsearch.study.sections import Budget, EarlyTermination, Metric, Resources, Seeds, Tpe
from introsearch.study.space import VARIANT_NAME


def study_schema() -> Schema:
    """The schema of a study file as plain JSON values (draft 2020-12)."""
    schema = _of_study()
    properties = schema["properties"]
    properties["metric"] = _metric(properties["metric"])
    own = properties["metrics"]["items"]
    asked = [name for name in METRICS if is_asked(name)]
    own["properties"]["name"] = {"anyOf": [{"enum": asked}, own_path("metric")]}
    properties["metrics"]["items"] = _metric(own)
    properties["parameters"] |= _parameters()
    (variant,) = properties["variants"].pop("patternProperties").values()
    properties["variants"] |= {
        "propertyNames": {"pattern": f"^{VARIANT_NAME}$"},
        "additionalProperties": _variant(variant),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A study of introsearch",
        **schema,
        **_only_known_settings(),
        "$defs": {name: _parameter(name) for name in _settings()},
    }


def study_reference() -> str:
    """The reference of study files, in Markdown."""
    sections: dict[str, type[Section]] = {
        "metric": Metric,
        "seeds": Seeds,
        "early_terminate": EarlyTermination,
        "tpe": Tpe,
        "budget": Budget,
        "resources": Resources,
    }
    parts = {"A study file": settings_table(_of_study())}
    parts |= {f"`{name}`": _described(schema_of(cls)) for name, cls in sections.items()}
    parts["`metric`"] = _described(_metric(schema_of(Metric)))
    forms: tuple[type[Section], ...] = (Values, Draws, Lookup)
    for form in forms:
        heading = f"A parameter as `{{{', '.join(form.model_fields)}}}`"
        parts[heading] = _described(schema_of(form))
    for trainer in TRAINERS:
        settings = schema_of(written_type(settings_class(trainer)))
        parts[f"`trainer: {trainer}`"] = _described(settings)
    return page("Study files: every key", parts)


def _of_study() -> Schema:
    schema = copy.deepcopy(schema_of(Study))
    schema["required"].remove("name")  # which is the file's unless given
    schema["properties"]["name"] = or_null(schema["properties"]["name"])
    return schema


def _described(schema: Schema) -> str:
    return f"{schema.get('description', '')}\n\n{settings_table(schema)}"


def _metric(schema: Schema) -> Schema:
    """The goal of a registered metric is known, if it has one."""
    without = [name for name, entry in METRICS.items() if not entry.goal]
    goal = or_null(schema["properties"]["goal"])
    return {
        **schema,
        "properties": {**schema["properties"], "goal": goal},
        "required": ["name"],
        "if": {"properties": {"name": {"anyOf": [{"pattern": f"^{PATH}$"}, {"enum": without}]}}},
        "then": {"required": ["goal"]},
    }


@functools.cache
def _settings() -> dict[str, list[Schema]]:
    """What a study file may give of each setting, by every registered trainer that has it."""
    found: dict[str, list[Schema]] = {}
    for trainer in TRAINERS:
        properties = schema_of(written_type(settings_class(trainer)))["properties"]
        for name, schema in properties.items():
            found.setdefault(name, []).append(schema)
    return found


def _parameter(name: str) -> Schema:
    """A setting as a constant, or in one of the forms that give it several values."""
    several = _settings()[name]
    said = {k: v for k, v in several[0].items() if k in ("description", "default")}
    value = _any_of([{k: v for k, v in s.items() if k not in said} for s in several])
    return or_null({**said, **_any_of([value, *_forms(value)])})


def _any_of(schemas: list[Schema]) -> Schema:
    """One of them, without repetition or nesting."""
    flat = [part for schema in schemas for part in schema.get("anyOf", [schema])]
    different = [part for i, part in enumerate(flat) if part not in flat[:i]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _forms(value: Schema) -> list[Schema]:
    one_by_one, draws, lookup = (copy.deepcopy(schema_of(f)) for f in (Values, Draws, Lookup))
    one_by_one["properties"]["values"]["items"] = value
    lookup["properties"]["values"]["additionalProperties"] = value
    if not any(type_of(part) in ("integer", "number") for part in value.get("anyOf", [value])):
        return [one_by_one, lookup]
    products = copy.deepcopy(schema_of(Values))
    products["properties"]["values"]["items"] = {"type": "number"}
    products["required"] = ["times", "values"]
    return [one_by_one, products, draws, lookup]


def _parameters() -> Schema:
    properties = {name: {"$ref": f"#/$defs/{name}"} for name in _settings()}
    return {"properties": properties, "additionalProperties": True}


def _variant(schema: Schema) -> Schema:
    properties = {**schema["properties"], **_parameters()["properties"]}
    return or_null({**schema, "properties": properties, "additionalProperties": True})


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
