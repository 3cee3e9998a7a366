"""The reference of what files may say, in Markdown, made from the models that validate them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from introsearch.settings.refusals import in_yaml, legal_words
from introsearch.settings.schema import Schema


def settings_table(schema: Schema, *, without: Iterable[str] = ()) -> str:
    """A table of a mapping's keys: what each accepts, its default, and what it means.

    Args:
        schema: JSON Schema of the mapping, as `settings.schema.schema_of` makes it.
        without: keys that are left out.
    """
    required = schema.get("required", ())
    rows = ["| key | accepts | default | meaning |", "|-----|---------|---------|---------|"]
    for name, value in schema["properties"].items():
        if name in without:
            continue
        words = legal_words(value)
        default = "(needed)" if name in required else _default(value)
        cells = [f"`{name}`", words, default, value.get("description", "")]
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(rows) + "\n"


def page(title: str, parts: Mapping[str, str]) -> str:
    """A page of several parts, by their headings."""
    return "\n".join([f"# {title}\n", *(f"## {name}\n\n{text}" for name, text in parts.items())])


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f"`{in_yaml(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
