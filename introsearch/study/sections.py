"""Typed reading of one mapping of a study file: unknown keys and wrong values are errors."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, TypeVar

from introsearch.errors import ConfigError, nearest_hint
from introsearch.study.yaml_loader import Document

T = TypeVar("T")


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
                hint = f"add {name}: ... {'to ' + key if key else 'to the file'}"
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

    def error(self, message: str, name: str = "", *, hint: str = "") -> ConfigError:
        """A ConfigError at one of the section's keys, or at the section."""
        return self.document.error(message, self.path(name), hint=hint)

    def path(self, name: str) -> str:
        """The dotted key of `name` from the file's root."""
        return ".".join(part for part in (self.key, name) if part)

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
        value = self.data.get(name, default)
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


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number (booleans are none)."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and math.isfinite(value)


def as_whole(value: Any) -> int | None:
    """`value` as an int if it is a whole number, else None."""
    return int(value) if is_number(value) and value == int(value) else None
