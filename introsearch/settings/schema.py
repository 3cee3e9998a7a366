"""JSON Schemas of models: what editors, the documentation and errors say is legal."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from introsearch.extensions import KINDS, PATH

Schema = dict[str, Any]
NULL_LEAVES_OUT = "x-null-leaves-out"  # of a mapping whose keys may be null; not in the result
_NULL: Schema = {"type": "null"}
# pydantic 2.14 gives bounds that follow a validator its own names (pydantic/pydantic#11576).
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


@functools.cache
def schema_of(cls: type[BaseModel]) -> Schema:
    """The JSON Schema of a model (draft 2020-12), without titles and references; to copy from."""
    schema = cls.model_json_schema(schema_generator=_Generator)
    definitions = schema.pop("$defs", {})
    plain: Schema = _plain(schema, definitions)
    return plain


def or_null(schema: Schema) -> Schema:
    """A schema that accepts null too."""
    if "anyOf" in schema:
        others = [part for part in schema["anyOf"] if part != _NULL]
        return {**schema, "anyOf": [*others, _NULL]}
    if "enum" in schema:
        untyped = {key: value for key, value in schema.items() if key != "type"}
        return {**untyped, "enum": [*(v for v in schema["enum"] if v is not None), None]}
    kind = schema.get("type")
    return {**schema, "type": [kind, "null"]} if isinstance(kind, str) else schema


def type_of(schema: Schema) -> str:
    """The type that a schema names, besides null; empty if it names none."""
    kinds: str | list[str] = schema.get("type", "")
    if isinstance(kinds, str):
        return kinds
    return next((kind for kind in kinds if kind != "null"), "")


def own_path(kind: str) -> Schema:
    """The schema of a dotted path to an extension of the user's own."""
    what, example = KINDS[kind].what, KINDS[kind].example
    text = f"{what} of your own, e.g. {example}"
    return {"type": "string", "pattern": f"^{PATH}$", "description": text}


class _Generator(GenerateJsonSchema):
    """Writes no titles, which say what names say."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """References written out, bounds by their names, and null as one of several types."""
    if isinstance(schema, list | tuple):
        return [_plain(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _plain({**definitions[name], **rest}, definitions)
    plain = {
        _BOUNDS.get(key, key): _plain(value, definitions)
        if key != "properties"
        else {name: _plain(part, definitions) for name, part in value.items()}
        for key, value in schema.items()
        if key != "title"
    }
    if plain.pop(NULL_LEAVES_OUT, False):
        for name in plain.get("properties", {}).keys() - plain.get("required", ()):
            plain["properties"][name] = or_null(plain["properties"][name])
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    options = [part for part in plain.get("anyOf", ()) if part != _NULL]
    if len(options) == 1:
        del plain["anyOf"]
        return or_null(options[0]) | plain
    return plain
