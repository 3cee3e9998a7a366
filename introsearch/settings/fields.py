"""Fields of settings that say what they accept: types, bounds, choices, and their description.

Whatever reads, checks or documents a setting asks its field, so that nothing is said twice.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import types
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import KINDS, check_name

_WORDS = {
    bool: ("true or false", "true or false values"),
    int: ("a whole number", "whole numbers"),
    float: ("a finite number", "finite numbers"),
    str: ("a word", "words"),
}


def plain(default: Any, *, implied: bool = False) -> Any:
    """A field that takes whatever its annotation says.

    Args:
        default: a value of the annotated type.
        implied: leave the default out of what a trial is identified by: trials that know nothing of
            the field are trained with it. So a field that is added later keeps their identities.
    """
    return _field(default, implied=implied)


def bounded(
    default: Any = dataclasses.MISSING,
    *,
    low: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    implied: bool = False,
) -> Any:
    """A field with bounds: `low` is allowed itself, `above` and `below` are not.

    Args:
        default: within them.
        low: the least number.
        above: is less than any.
        below: is greater than any.
        implied: as for `plain`.
    """
    return _field(default, implied=implied, bounds=Bounds(low, above, below))


def choice(
    default: Any = dataclasses.MISSING, *, legal: tuple[str | bool, ...], implied: bool = False
) -> Any:
    """A field that is one of the words `legal`, among which True and False may be.

    Args:
        default: one of them.
        legal: all of them.
        implied: as for `plain`.
    """
    return _field(default, implied=implied, legal=legal)


def registered(
    default: Any = dataclasses.MISSING,
    *,
    kind: str,
    only: tuple[str, ...] | None = None,
    implied: bool = False,
) -> Any:
    """A field that names an extension, a registered one or the user's own by its dotted path.

    Args:
        default: a registered name.
        kind: a key of `extensions.KINDS`.
        only: the registered names that are legal; all of them unless given.
        implied: as for `plain`.
    """
    names = only or tuple(KINDS[kind].names)
    return _field(default, implied=implied, kind=kind, only=names)


def _field(default: Any, *, implied: bool, **metadata: Any) -> Any:
    if implied and default is dataclasses.MISSING:
        raise TypeError("a field without a default has none that could be implied")
    return field(default=default, metadata={**metadata, "implied": implied})


class Bounds(NamedTuple):
    """Bounds of a number: `low` is allowed itself, `above` and `below` are not."""

    low: float = -math.inf
    above: float = -math.inf
    below: float = math.inf

    def fault(self, value: float) -> str:
        """What is wrong with `value`; empty if nothing is."""
        if value < self.low:
            return f"must be at least {self.low:g}, not {value:g}"
        if value <= self.above:
            return f"must be greater than {self.above:g}, not {value:g}"
        return f"must be below {self.below:g}, not {value:g}" if value >= self.below else ""


@dataclass(frozen=True)
class FieldType:
    """What a field's annotation allows.

    Attributes:
        scalar: ``bool``, ``int``, ``float`` or ``str``.
        many: a tuple of them, written as a list.
        optional: None too.
        switch: True and False beside words.
    """

    scalar: type
    many: bool = False
    optional: bool = False
    switch: bool = False

    @property
    def words(self) -> str:
        one, several = _WORDS[self.scalar]
        if self.switch:
            return f"true, false or {one}"
        return f"a list of {several}" if self.many else one


def field_types(cls: type) -> dict[str, FieldType]:
    """The type of every field of a dataclass, by name.

    Raises:
        ConfigError: an annotation that a study file has no values for.
    """
    return {f.name: field_type(cls, f.name) for f in dataclasses.fields(cls)}


@functools.cache
def field_type(cls: type, name: str) -> FieldType:
    """The type of one field of a dataclass.

    Raises:
        ConfigError: as for `field_types`.
    """
    annotation = get_type_hints(cls)[name]
    parts = [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
    optional, switch = type(None) in get_args(annotation), parts == [bool, str]
    parts = [str] if switch else parts
    inner = parts[0]
    many = get_origin(inner) is tuple and get_args(inner)[1:] == (...,)
    scalar = get_args(inner)[0] if many else inner
    if len(parts) != 1 or scalar not in _WORDS:
        raise ConfigError(
            f"{cls.__name__}.{name} is annotated as {annotation}, which no study file can express",
            hint="bool, int, float, str, tuple[int, ...] and the like, or one of them | None",
        )
    return FieldType(scalar, many=many, optional=optional, switch=switch)


def coerce(key: str, value: Any, wanted: FieldType) -> Any:
    """`value` as what its field wants: int -> float is fine, anything lossy is an error.

    Raises:
        ConfigError: it is something else; its `key` is `key`.
    """
    if (value is None and wanted.optional) or (isinstance(value, bool) and wanted.switch):
        return value
    hint = f"to try each: {key}: {{values: {value}}}" if isinstance(value, list) else ""
    wrong = ConfigError(f"must be {wanted.words}, not {value!r}", key=key, hint=hint)
    if wanted.many:
        if not isinstance(value, list | tuple):
            raise wrong
        return tuple(coerce(key, item, FieldType(wanted.scalar)) for item in value)
    if wanted.scalar is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if wanted.scalar is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not wanted.scalar or (isinstance(value, float) and not math.isfinite(value)):
        raise wrong
    return value


def check_field(f: dataclasses.Field[Any], value: Any) -> None:
    """Refuse a value beyond the field's bounds or choices.

    Raises:
        ConfigError: its `key` is the field's name.
    """
    if value is None:  # not given; whether it must be is not for the field to say
        return
    for item in value if isinstance(value, tuple) else (value,):
        bounds: Bounds = f.metadata.get("bounds", Bounds())
        if isinstance(item, int | float) and (fault := bounds.fault(item)):
            raise ConfigError(fault, key=f.name)
        if "legal" in f.metadata and item not in f.metadata["legal"]:
            legal = [w if isinstance(w, str) else str(w).lower() for w in f.metadata["legal"]]
            hint = nearest_hint(item, legal)
            raise ConfigError(f"unknown {f.name} {item!r}", key=f.name, hint=hint)
        if "kind" in f.metadata:
            _check_registered(f, item)


def _check_registered(f: dataclasses.Field[Any], value: Any) -> None:
    try:
        check_name(f.metadata["kind"], value, only=f.metadata["only"])
    except ConfigError as error:
        raise ConfigError(error.message, key=f.name, hint=error.hint) from error


def descriptions(cls: type) -> dict[str, str]:
    """What the ``Attributes:`` of a class and its bases say of each, as one line."""
    texts: dict[str, str] = {}
    for part in reversed(cls.__mro__):
        _, _, attributes = (inspect.cleandoc(part.__doc__ or "")).partition("Attributes:\n")
        for name, text in re.findall(r"^    (\w+): (.+(?:\n {8}.*)*)", attributes, re.M):
            texts[name] = " ".join(text.split()).replace("``", "")
    return texts
