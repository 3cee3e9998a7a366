"""Turns what pydantic refuses into errors in words: the key, what is wrong, what would be legal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from introsearch.errors import ConfigError, nearest_hint
from introsearch.settings.schema import Schema, type_of

_WORDS = {
    "boolean": ("true or false", "true or false values"),
    "integer": ("a whole number", "whole numbers"),
    "number": ("a finite number", "finite numbers"),
    "string": ("text", "texts"),
    "object": ("keys and values", "mappings"),
}
_BOUNDS = {
    "minimum": "of at least {:,.12g}",
    "exclusiveMinimum": "above {:,.12g}",
    "maximum": "of at most {:,.12g}",
    "exclusiveMaximum": "below {:,.12g}",
}
_MAPPING = ("model_type", "model_attributes_type", "dict_type")
_OF_TYPE_OR_BOUNDS = {
    *_MAPPING, "bool_type", "int_type", "float_type", "finite_number", "string_type", "tuple_type",
    "list_type", "literal_error", "greater_than", "greater_than_equal", "less_than",
    "less_than_equal",
}  # fmt: skip


def refusals(error: ValidationError, schema: Schema, data: Any) -> list[ConfigError]:
    """Everything that a model refuses, each key once.

    Args:
        error: of pydantic's.
        schema: the JSON Schema of the model.
        data: what was refused.

    Returns:
        Errors whose keys are dotted from the root of `data`.
    """
    found: dict[str, ConfigError] = {}
    for details in error.errors(include_url=False):
        for refusal in _refusals(details, schema, data):
            found.setdefault(refusal.key, refusal)  # alternatives refuse one value more than once
    # A list that is too short for want of legal items is not at fault itself.
    around = {key.rpartition(".")[0] for key in found if key.rpartition(".")[2].isdigit()}
    return [refusal for key, refusal in found.items() if key not in around]


def legal_words(schema: Schema, *, several: bool = False) -> str:
    """What a schema accepts, in words: ``a whole number of at least 1``, ``a, b or c``.

    Args:
        schema: a JSON Schema; that null leaves a key out is not said.
        several: in the plural, for the items of a list.
    """
    if (values := _legal_values(schema)) is not None:
        return _alternatives(list(map(in_yaml, values)))
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if part.get("type") != "null"]
        words: list[str] = []
        for part in parts:
            values = _legal_values(part) or []
            words += map(in_yaml, values)
            if not values:
                words.append(part.get("description") or legal_words(part, several=several))
        return _alternatives(words)
    kind = type_of(schema)
    if kind == "array":
        items = schema.get("items", {})
        return f"a list of {legal_words(items, several=True)}" if items else "a list"
    one, many = _WORDS.get(kind, ("a value", "values"))
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return " ".join([many if several else one, " and ".join(bounds)]).strip()


def _alternatives(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def in_yaml(value: Any) -> str:
    """A plain value as a file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(in_yaml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _refusals(details: Mapping[str, Any], schema: Schema, data: Any) -> Iterator[ConfigError]:
    kind = details["type"]
    cause = details.get("ctx", {}).get("error")
    path = _path(details["loc"], data, missing=kind == "missing")
    if isinstance(cause, ConfigError):
        for error in cause.all:
            inner = [] if error.key in ("", *path[-1:]) else [error.key]
            yield ConfigError(error.message, key=".".join([*path, *inner]), hint=error.hint)
        return
    key, name = ".".join(path), path[-1] if path else ""
    if cause is not None:  # of a validator of the user's own
        yield ConfigError(str(cause) or f"is refused by a {type(cause).__name__}", key=key)
    elif kind == "extra_forbidden":
        hint = nearest_hint(name, _walk(schema, path[:-1]).get("properties", {}))
        yield ConfigError("unknown key", key=key, hint=hint)
    elif kind == "missing":
        where = f" to {'.'.join(path[:-1])}" if path[:-1] else ""
        hint = f"add {name}: {_example(_walk(schema, path)) or '...'}{where}"
        yield ConfigError(f"the key {name!r} is missing", key=key, hint=hint)
    else:
        here, message = _walk(schema, path), details["msg"]
        yield _of_value(kind, details["input"], here, key=key, message=message)


def _of_value(kind: str, value: Any, schema: Schema, *, key: str, message: str) -> ConfigError:
    """What is wrong with a value, and what would be right."""
    name = next((word for word in reversed(key.split(".")) if not word.isdigit()), key)
    example = f"e.g. {name}: {text}" if (text := _example(schema)) else ""
    if kind == "too_short" and not value:
        hint = f"list at least one, {example}".rstrip(", ")
        return ConfigError("is an empty list" if value == [] else "is empty", key=key, hint=hint)
    if kind not in _OF_TYPE_OR_BOUNDS:
        return ConfigError(f"{value!r} is refused: {message}", key=key, hint=example)
    values = _legal_values(schema)
    if values is not None and not isinstance(value, list | dict):
        hint = nearest_hint(in_yaml(value), map(in_yaml, values))
        return ConfigError(f"unknown {name} {value!r}", key=key, hint=hint)
    hint = example
    if kind in _MAPPING:
        names = list(schema.get("properties", ())) or ["name"]
        hint = f"write {key}: {{{', '.join(f'{each}: ...' for each in names)}}}"
    elif kind == "tuple_type" and isinstance(value, list):
        hint = "its trainer is to declare it as Many[...] of introsearch.settings.model"
    elif kind in ("tuple_type", "list_type"):
        hint = f"write {name}: [...]"
    return ConfigError(f"must be {legal_words(schema)}, not {value!r}", key=key, hint=hint)


def _path(loc: Sequence[int | str], data: Any, *, missing: bool) -> list[str]:
    """The keys of a place in `data`; pydantic adds names of alternatives to them."""
    path: list[str] = []
    for i, part in enumerate(loc):
        if isinstance(part, int):
            known = isinstance(data, list | tuple) and part < len(data)
        else:
            known = isinstance(data, Mapping) and part in data
        if known:
            data = data[part]
        if known or (missing and i == len(loc) - 1):
            path.append(str(part))
    return path


def _walk(schema: Schema, path: Sequence[str]) -> Schema:
    """The part of a schema that is about a place; an empty one if it says nothing of it."""
    for part in path:
        around = schema
        inner = around.get("properties", {}).get(part) or around.get("additionalProperties")
        inner = inner or next(iter(around.get("patternProperties", {}).values()), None)
        if part.isdigit() and "items" in around:
            inner = {**around["items"], "examples": around.get("examples", ["[...]"])}
        schema = inner if isinstance(inner, dict) else {}
    return schema


def _legal_values(schema: Schema) -> list[Any] | None:
    """All values that a schema accepts, if they are few and not just true and false."""
    if "enum" in schema:
        return [value for value in schema["enum"] if value is not None]
    parts = [part for part in schema.get("anyOf", ()) if type_of(part) != "null"]
    values: list[Any] = []
    for part in parts:
        known = [True, False] if type_of(part) == "boolean" else _legal_values(part)
        if known is None:
            return None
        values += known
    return values or None


def _example(schema: Schema) -> str:
    """A value that the schema accepts, as a file has it; empty if none is known."""
    if "examples" in schema:
        return str(schema["examples"][0])
    if schema.get("default") not in (None, [], {}):
        return in_yaml(schema["default"])
    if "minimum" in schema:
        return in_yaml(schema["minimum"] + 1)
    if "exclusiveMinimum" in schema:
        return in_yaml(math.floor(schema["exclusiveMinimum"]) + 0.5)
    return "true" if type_of(schema) == "boolean" else ""
