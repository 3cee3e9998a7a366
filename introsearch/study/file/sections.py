"""Typed reading of one mapping of a study file: unknown keys and wrong values are errors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Any, TypeVar

from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import check_name
from introsearch.settings.fields import Bounds, field_type
from introsearch.study.file.document import Document

T = TypeVar("T")
_EXAMPLES = {  # of keys that a file must have
    "trainer": "sintrovae",
    "metric": "{name: hist_kl_paper, goal: minimize}",
    "groups": "[dataset, variant]",
    "seeds": "{select: [0], report: [1, 2, 3]}",
    "parameters": "{dataset: rings, ...}",
    "type": "local (or ray, or slurm)",
}


class Section:
    """A mapping inside a document, whose keys are known.

    Args:
        document: the file.
        key: dotted key of the mapping; empty for the file itself.
        data: the mapping; None is an empty one.
        legal: every key that it may have; None leaves that to others.
        required: keys that it must have.

    Raises:
        ConfigError: it is no mapping, has an unknown key or lacks a required one.
    """

    def __init__(
        self,
        document: Document,
        key: str,
        data: Any,
        *,
        legal: Collection[str] | None = None,
        required: Collection[str] = (),
    ) -> None:
        self.document = document
        self.key = key
        if data is not None and not isinstance(data, dict):
            example = f"{key}: {{{', '.join(f'{name}: ...' for name in legal or ('name',))}}}"
            raise self.error(f"must be keys and values, not {data!r}", hint=f"write {example}")
        self.data: dict[str, Any] = data or {}
        for name in self.data:
            if legal is not None and name not in legal:
                raise self.error("unknown key", name, hint=nearest_hint(name, legal))
        for name in required:
            if self.data.get(name) is None:
                example = _EXAMPLES.get(name, "...")
                hint = f"add {name}: {example} {'to ' + key if key else 'to the file'}"
                raise self.error(f"the key {name!r} is missing", name, hint=hint)

    def child(
        self, name: str, *, legal: Collection[str] | None = None, required: Collection[str] = ()
    ) -> Section:
        """The mapping that stands under `name`.

        Raises:
            ConfigError: as for the section itself.
        """
        return Section(
            self.document, self.path(name), self.data.get(name), legal=legal, required=required
        )

    def item(
        self, name: str, i: int, *, legal: Collection[str], required: Collection[str] = ()
    ) -> Section:
        """The mapping that stands at place `i` of the list under `name`.

        Raises:
            ConfigError: as for the section itself.
        """
        key, data = self.path(f"{name}.{i}"), self.data[name][i]
        return Section(self.document, key, data, legal=legal, required=required)

    def child_of(self, name: str, cls: type) -> Section:
        """The mapping under `name`, with the fields of a dataclass as keys.

        Raises:
            ConfigError: as for the section itself.
        """
        legal = [f.name for f in dataclasses.fields(cls)]
        return self.child(name, legal=legal, required=required_fields(cls))

    def error(self, message: str, name: str = "", *, hint: str = "") -> ConfigError:
        """A ConfigError at one of the section's keys, or at the section."""
        return self.document.error(message, self.path(name), hint=hint)

    def path(self, name: str) -> str:
        """The dotted key of `name` from the file's root."""
        return ".".join(part for part in (self.key, name) if part)

    def read(self, cls: type[T]) -> T:
        """All keys as a dataclass, whose fields say what is legal.

        Raises:
            ConfigError: a value that its field does not accept.
        """
        return cls(**{f.name: self.field(cls, f.name) for f in dataclasses.fields(cls)})  # type: ignore[arg-type]

    def field(self, cls: type, name: str) -> Any:
        """One key as a dataclass's field of that name, or the field's default.

        Raises:
            ConfigError: a value that the field does not accept.
        """
        (f,) = [f for f in dataclasses.fields(cls) if f.name == name]
        wanted, bounds = field_type(cls, name), f.metadata.get("bounds", Bounds())
        default: Any = None if f.default is dataclasses.MISSING else f.default
        if "kind" in f.metadata:
            return self.extension(name, kind=f.metadata["kind"])
        if wanted.many:
            return self.whole_numbers(name, low=int(bounds.low))
        if wanted.scalar is bool:
            return self.flag(name, default)
        if wanted.scalar is str:
            return self.word(name, default or "", legal=f.metadata["legal"])
        if wanted.scalar is int:
            return self.whole(name, default, low=int(bounds.low))
        return self.number(name, default, zero=bounds.above < 0)

    def extension(self, name: str, *, kind: str) -> str:
        """A registered name, or the dotted path of an extension of the user's own."""
        value: str = self.data.get(name, "")
        try:
            check_name(kind, value)
        except ConfigError as error:
            raise self.error(error.message, name, hint=error.hint) from error
        return value

    def whole_numbers(self, name: str, *, low: int = 0) -> tuple[int, ...]:
        """A list of different whole numbers of at least `low`; a missing one is empty."""
        numbers: list[int] = []
        for i, value in enumerate(self.sequence(name)):
            number = as_whole(value)
            if number is None or number < low:
                raise self.error(
                    f"must be a whole number of at least {low}, not {value!r}",
                    f"{name}.{i}",
                    hint=f"e.g. {name}: [{low}, {low + 1}, {low + 2}]",
                )
            if number in numbers:
                raise self.error(f"{number} is listed twice", f"{name}.{i}", hint="keep one")
            numbers.append(number)
        return tuple(numbers)

    def whole(self, name: str, default: T, *, low: int = 0) -> int | T:
        """A whole number of at least `low`; 1e3 is one."""
        value = self.data.get(name)
        if value is None:
            return default
        number = as_whole(value)
        if number is None or number < low:
            raise self.error(
                f"must be a whole number of at least {low}, not {value!r}",
                name,
                hint=f"e.g. {name}: {low + 1}",
            )
        return number

    def number(self, name: str, default: T, *, zero: bool) -> float | T:
        """A finite number above 0, or also 0 if `zero`."""
        value = self.data.get(name)
        if value is None:
            return default
        if not is_number(value) or value < 0 or (value == 0 and not zero):
            least = "of at least 0" if zero else "above 0"
            raise self.error(
                f"must be a finite number {least}, not {value!r}", name, hint=f"e.g. {name}: 0.5"
            )
        result: float = value
        return result

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(
                f"must be true or false, not {value!r}", name, hint=f"write {name}: true"
            )
        return value

    def word(self, name: str, default: str, *, legal: Collection[str]) -> str:
        """One of the words `legal`."""
        value = self.data.get(name)
        if value is None:
            value = default
        if not isinstance(value, str) or value not in legal:
            raise self.error(f"unknown {name} {value!r}", name, hint=nearest_hint(value, legal))
        return value

    def sequence(self, name: str) -> list[Any]:
        """A list; a missing one is empty."""
        value = self.data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"must be a list, not {value!r}", name, hint=f"write {name}: [...]")
        return value


def required_fields(cls: type) -> list[str]:
    """Names of a dataclass's fields that have no default."""
    return [
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number (booleans are none)."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and math.isfinite(value)


def as_whole(value: Any) -> int | None:
    """`value` as an int if it is a whole number, else None."""
    return int(value) if is_number(value) and value == int(value) else None
