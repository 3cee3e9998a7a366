"""YAML 1.2 with the line of every key, and errors that say where and what to do.

Differs from PyYAML's defaults where they surprise: ``1e-3`` is a number, ``no`` and ``24:00:00``
are strings, there are no dates, and a duplicate key is an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from introsearch.errors import ConfigError

_MAX_NODES = 100_000
_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_RESOLVERS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)"
    r"|\.(nan|NaN|NAN)",
    "merge": r"<<",
}


# PyYAML 6 reads YAML 1.1 (yaml/pyyaml#53). It documents how a class adds resolvers to those it
# inherits, but not this list of them, with which a class starts without any.
class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}


for _name, _pattern in _RESOLVERS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), None)


class Place(NamedTuple):
    """Where something was written: a file (or ``--set``) and a line counted from 1."""

    file: str
    line: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A mapping read from YAML, and where each of its keys and list items stands.

    Attributes:
        file: the file's path as the user gave it.
        data: plain values; all keys are strings.
        places: from dotted keys (``parameters.beta_kl.values.0``) to places.
    """

    file: str
    data: dict[str, Any]
    places: dict[str, Place]

    def place(self, key: str) -> Place:
        """Where `key` stands, or else the innermost thing around it."""
        while key:
            if key in self.places:
                return self.places[key]
            key = key.rpartition(".")[0]
        return Place(self.file, 1)

    def located(self, error: ConfigError) -> ConfigError:
        """The same errors with the places of their keys, in the order of the file."""
        placed = [each.at(**self.place(each.key)._asdict()) for each in error.all]
        return ConfigError.of(sorted(placed, key=lambda each: (each.line is None, each.line or 0)))

    def error(self, message: str, key: str, *, hint: str = "") -> ConfigError:
        """A ConfigError at the place of `key`."""
        file, line = self.place(key)
        return ConfigError(message, key=key, file=file, line=line, hint=hint)


def read_document(path: str | Path) -> Document:
    """Read a YAML file that holds one mapping.

    Raises:
        ConfigError: the file cannot be read, is empty, is not UTF-8, is not YAML, has a duplicate
            key, or does not hold a mapping.
    """
    file = str(path)
    return _parse_document(_read_text(Path(path)), file=file)


def _parse_document(text: str, *, file: str) -> Document:
    """As `read_document`, for text that was already read.

    Raises:
        ConfigError: as for `read_document`.
    """
    places: dict[str, Place] = {}
    data = parse_value(text, file=file, places=places)
    if data is None:
        raise ConfigError("is empty", file=file, line=1, hint="a file needs keys, e.g. name: ...")
    if not isinstance(data, dict):
        raise ConfigError(
            f"holds {_kind(data)}, not keys and values",
            file=file,
            line=1,
            hint="write one 'key: value' a line",
        )
    return Document(file=file, data=data, places=places)


def parse_value(
    text: str, *, file: str, places: dict[str, Place] | None = None, key: str = ""
) -> Any:
    """Any YAML value as plain Python.

    Args:
        text: YAML.
        file: what errors call the place it comes from.
        places: receives the place of every key and list item.
        key: the dotted key under which the value will stand.

    Raises:
        ConfigError: not YAML, a duplicate key, or an unsupported tag.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        builder = _Builder(file, {} if places is None else places)
        return None if node is None else builder.build(node, key)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, file=file, key=key) from None
    except RecursionError:
        raise ConfigError(
            "is nested too deeply", file=file, line=1, key=key, hint="a few levels are enough"
        ) from None


def dump(data: Any) -> str:
    """Plain values as YAML that `parse_value` reads back unchanged."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)
    return text


def _read_text(path: Path) -> str:
    def refuse(message: str, hint: str) -> ConfigError:
        return ConfigError(message, file=str(path), hint=hint)

    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise refuse("no such file", _similar_files(path)) from None
    except IsADirectoryError:
        raise refuse("is a directory", _similar_files(path / "x.yaml")) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise refuse("is not UTF-8 text", "save it as UTF-8").at(
            file=str(path), line=line
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(f"cannot be read: {reason}", "check the path and its permissions") from None


def _similar_files(path: Path) -> str:
    try:
        names = sorted(str(p) for p in path.parent.glob("*.y*ml") if p.is_file())
    except OSError:
        names = []
    close = difflib.get_close_matches(str(path), names, n=1)
    start = f"did you mean {close[0]}? " if close else ""
    return f"{start}There are: {', '.join(names[:8])}" if names else "check the path"


def _syntax_error(error: yaml.YAMLError, text: str, *, file: str, key: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML forbids
        position = getattr(error, "position", 0)
        return ConfigError(
            "is not YAML: it has a character that no text has",
            file=file,
            line=text[:position].count("\n") + 1,
            key=key,
            hint="is this a text file?",
        )
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation or line[mark.column : mark.column + 1] == "\t":
        message, hint = "a tab where YAML allows only spaces", "replace tabs by spaces"
    elif (problem := getattr(error, "problem", None)) == "but found another document":
        message, hint = "a second document begins", "a file holds one; remove the line '---'"
    else:
        problem = problem or getattr(error, "context", None)
        message = f"is not YAML: {problem}"
        hint = "check colons, quotes, brackets and indentation here and on the line before"
    return ConfigError(message, file=file, line=mark.line + 1, key=key, hint=hint)


class _Builder:
    """Turns YAML nodes into plain values and notes the place of every key and list item."""

    def __init__(self, file: str, places: dict[str, Place]) -> None:
        self.file = file
        self.places = places
        self.open: set[int] = set()
        self.num_nodes = 0

    def build(self, node: yaml.Node, key: str) -> Any:
        self.num_nodes += 1
        if self.num_nodes > _MAX_NODES:
            raise self.error(f"has more than {_MAX_NODES:,} values", node, key, "use fewer aliases")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, key)
        if id(node) in self.open:
            raise self.error("contains itself", node, key, "remove the alias inside its anchor")
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            raise self.unsupported_tag(node, key)
        self.open.add(id(node))
        value = (
            self.mapping(node, key) if isinstance(node, yaml.MappingNode) else self.items(node, key)
        )
        self.open.discard(id(node))
        return value

    def items(self, node: yaml.Node, key: str) -> list[Any]:
        values = []
        for i, item in enumerate(node.value):
            item_key = _join(key, str(i))
            self.places[item_key] = Place(self.file, item.start_mark.line + 1)
            values.append(self.build(item, item_key))
        return values

    def mapping(self, node: yaml.Node, key: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for name_node, value_node in node.value:
            if name_node.tag == _MERGE:
                merged = {**self.merge(value_node, key), **merged}
        for name_node, value_node in node.value:
            if name_node.tag == _MERGE:
                continue
            if not isinstance(name_node, yaml.ScalarNode):
                raise self.error("a key must be a word", name_node, key, "check the brackets")
            name, line = name_node.value, name_node.start_mark.line + 1
            child = _join(key, name)
            if name in own:
                hint = f"it is on line {first_lines[name]} already; keep one"
                raise self.error("duplicate key", name_node, child, hint)
            self.places[child] = Place(self.file, line)
            first_lines[name] = line
            own[name] = self.build(value_node, child)
        return merged | own

    def merge(self, node: yaml.Node, key: str) -> dict[str, Any]:
        value = self.build(node, key)
        merged: dict[str, Any] = {}
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, dict):
                raise self.error("'<<' merges mappings only", node, key, "<<: *anchor_of_a_mapping")
            merged = {**part, **merged}
        return merged

    def scalar(self, node: yaml.ScalarNode, key: str) -> Any:
        read: dict[str, Callable[[str], Any]] = {
            _TAG + "null": lambda text: None,
            _TAG + "bool": lambda text: text.lower() == "true",
            _TAG + "int": _to_int,
            _TAG + "float": lambda text: float(
                text.lower().replace(".inf", "inf").replace(".nan", "nan")
            ),
            _TAG + "str": str,
            _MERGE: str,
            "!": str,
        }
        if node.tag not in read:
            raise self.unsupported_tag(node, key)
        try:
            return read[node.tag](node.value)
        except ValueError:
            short = node.value if len(node.value) < 40 else node.value[:40] + "..."
            raise self.error(f"{short!r} is no number of 64 bits", node, key, "e.g. 10") from None

    def unsupported_tag(self, node: yaml.Node, key: str) -> ConfigError:
        return self.error(f"the tag {node.tag!r} is not supported", node, key, "remove the tag")

    def error(self, message: str, node: yaml.Node, key: str, hint: str) -> ConfigError:
        line = node.start_mark.line + 1
        return ConfigError(message, key=key, file=self.file, line=line, hint=hint)


def _to_int(text: str) -> int:
    number = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if abs(number) >= 2**63:
        raise ValueError(text)
    return number


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"only {str(value)[:40]!r}"
