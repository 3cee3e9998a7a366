"""Reads one entry of `parameters` or of a variant into a Parameter."""

from __future__ import annotations

from typing import Any

from introsearch.errors import ConfigError
from introsearch.study.file.document import Document
from introsearch.study.file.sections import Section, as_whole, is_number
from introsearch.study.parameters import DISTRIBUTIONS, Parameter

_FORMS = (
    "a constant, {values: [...]}, {distribution: ..., min: ..., max: ...}, "
    "{times: other, values: [...]} or {by: other, values: {...}}"
)
_KEYS = ("values", "distribution", "min", "max", "times", "by")


def read_parameter(document: Document, key: str, raw: Any, *, method: str) -> Parameter:
    """One parameter.

    Args:
        document: the file, for the places of errors.
        key: dotted key of the parameter.
        raw: what stands there; not None.
        method: the study's method; only `random` may draw from distributions.

    Raises:
        ConfigError: an unknown key, no values, bounds out of order, or a mixture of forms.
    """
    if not isinstance(raw, dict):
        return Parameter(values=(_constant(document, key, raw),))
    section = Section(document, key, raw, legal=_KEYS)
    if ("values" in raw) == ("distribution" in raw):
        raise section.error("needs either values or a distribution", hint=f"write {_FORMS}")
    if "by" in raw:
        return _lookup(section)
    times = _reference(section, "times") if "times" in raw else None
    if "distribution" in raw:
        return _distribution(section, times, method=method)
    for name in ("min", "max"):
        if name in raw:
            raise section.error("has no meaning beside values", name, hint=f"write {_FORMS}")
    return Parameter(values=_values(section), times=times)


def _values(section: Section) -> tuple[Any, ...]:
    values = section.sequence("values")
    if not values:
        raise section.error("is an empty list", "values", hint="list at least one value")
    path = section.path("values")
    return tuple(_constant(section.document, f"{path}.{i}", v) for i, v in enumerate(values))


def _lookup(section: Section) -> Parameter:
    for name in ("times", "distribution", "min", "max"):
        if name in section.data:
            raise section.error("cannot be combined with by", name, hint=f"write {_FORMS}")
    by = _reference(section, "by")
    table = section.data["values"]
    if not isinstance(table, dict) or not table:
        hint = f"write {{by: {by}, values: {{<a value of {by}>: ..., ...}}}}"
        raise section.error(f"must map values of {by} to values", "values", hint=hint)
    path = section.path("values")
    for name, value in table.items():
        _constant(section.document, f"{path}.{name}", value)
    return Parameter(by=by, table=table)


def _distribution(section: Section, times: str | None, *, method: str) -> Parameter:
    kind = section.word("distribution", "", legal=DISTRIBUTIONS)
    if method == "grid":
        raise section.error(
            "a grid has no distributions", "distribution", hint="list values, or method: random"
        )
    low, high = (_bound(section, name, kind) for name in ("min", "max"))
    if low >= high:
        raise section.error(
            f"must be above min: {low:g}, not {high:g}", "max", hint="exchange min and max"
        )
    if kind == "log_uniform" and low <= 0:
        raise section.error(
            f"must be above 0, not {low:g}", "min", hint="0 has no logarithm; or use uniform"
        )
    return Parameter(distribution=kind, min=low, max=high, times=times)


def _bound(section: Section, name: str, kind: str) -> float:
    value: Any = section.data.get(name)
    if not is_number(value):
        raise section.error(f"must be a finite number, not {value!r}", name, hint=f"write {_FORMS}")
    whole = as_whole(value)
    if kind == "int_uniform" and whole is None:
        raise section.error(f"must be a whole number, not {value!r}", name, hint="or use uniform")
    return whole if kind == "int_uniform" and whole is not None else float(value)


def _reference(section: Section, name: str) -> str:
    value = section.data[name]
    if not isinstance(value, str):
        raise section.error(f"must name a parameter, not {value!r}", name, hint=f"write {_FORMS}")
    return value


def _constant(document: Document, key: str, value: Any) -> Any:
    """`value` if it can be a setting: a scalar or a list of scalars."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) for item in items):
        raise _not_a_value(document, key, value)
    return value


def _not_a_value(document: Document, key: str, value: Any) -> ConfigError:
    return document.error(
        f"must be a value or a list of values, not {value!r}", key, hint=f"write {_FORMS}"
    )
