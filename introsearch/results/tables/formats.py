"""How a table is written: Markdown for a terminal, LaTeX for a paper, CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from introsearch.errors import ConfigError, nearest_hint

FORMATS = ("md", "csv", "tex")
PLUS_MINUS = "\u00b1"
DOWN, UP = "\u2193", "\u2191"
DAGGER, DOUBLE_DAGGER = "\u2020", "\u2021"

_MAX_DECIMALS = 6
_TEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    PLUS_MINUS: r"$\pm$",
    DOWN: r"$\downarrow$",
    UP: r"$\uparrow$",
    DAGGER: r"$^\dagger$",
    DOUBLE_DAGGER: r"$^\ddagger$",
} | {character: "\\" + character for character in "_%&#${}"}


class Cell(NamedTuple):
    """One cell: text to escape, or a number as written by `format_number`, and a mark behind."""

    text: str
    is_number: bool = False
    bold: bool = False
    mark: str = ""


Block = list[list[Cell]]


def write_table(header: Sequence[str], body: Sequence[Block], *, fmt: str, caption: str) -> str:
    """Write a table of one's own layout.

    Args:
        header: titles of the columns.
        body: rows in blocks, which LaTeX separates by lines.
        fmt: ``md``, ``csv`` (no caption; numbers as shown) or ``tex`` (needs booktabs).
        caption: plain text.

    Raises:
        ConfigError: unknown format.
    """
    check_format(fmt)
    if fmt == "csv":
        return csv_text([header, *([cell.text for cell in row] for block in body for row in block)])
    return _WRITERS[fmt]([Cell(text) for text in header], list(body), caption)


def check_format(fmt: str) -> None:
    """Raise a ConfigError for an unknown format."""
    if fmt not in FORMATS:
        raise ConfigError(f"unknown table format {fmt!r}", hint=nearest_hint(fmt, FORMATS))


def format_number(mean: float, *, std: float = math.nan, n: int = 1) -> str:
    """Write a mean with its spread: two significant digits of std, as many decimals in the mean.

    Large and small numbers share one exponent: ``(3.40 +- 0.12)e-05``, where +- is one character.
    With n < 2 there is no spread, and the mean has four significant digits; with n = 0, ``-``.
    """
    if n == 0:
        return "-"
    if not math.isfinite(mean):
        return str(mean)
    spread = std if n > 1 and math.isfinite(std) else math.nan
    largest = max(abs(mean), 0.0 if math.isnan(spread) else spread)
    if largest == 0 or 1e-3 <= largest < 1e6:
        return _fixed(mean, spread)
    exponent = _exponent(largest)
    text = _fixed(mean / 10.0**exponent, spread / 10.0**exponent)
    return (f"({text})" if PLUS_MINUS in text else text) + f"e{exponent:+03d}"


def _fixed(mean: float, std: float) -> str:
    has_digits = std > 0
    decimals = 1 - _exponent(std) if has_digits else 3 - _exponent(mean) if mean else 0
    shown = min(max(decimals, 0), _MAX_DECIMALS)
    # Adding 0.0 turns -0.0 into 0.0.
    text = f"{round(mean, shown) + 0.0:.{shown}f}"
    if math.isnan(std):
        return text
    small = decimals > _MAX_DECIMALS
    return f"{text} {PLUS_MINUS} " + (
        "0" if not has_digits else f"{std:.1e}" if small else f"{std:.{shown}f}"
    )


def _exponent(value: float) -> int:
    """The power of ten of `value` after rounding to two digits: 0.0996 counts as 0.10."""
    return int(f"{value:.1e}".partition("e")[2])


def csv_text(rows: Sequence[Sequence[object]]) -> str:
    """Comma separated; the csv module writes a float as its repr, which is exact."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _markdown(header: list[Cell], body: list[Block], caption: str) -> str:
    """Pipes line up, so that it reads well in a terminal too."""
    lines_of_cells = [header, *(row for block in body for row in block)]
    rows = [[_markdown_cell(cell) for cell in row] for row in lines_of_cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return (f"{_one_line(caption)}\n\n" if caption else "") + "\n".join(lines) + "\n"


def _markdown_cell(cell: Cell) -> str:
    text = re.sub(r"([\\|*])", r"\\\1", _one_line(cell.text))
    return (f"**{text}**" if cell.bold else text) + (f" {cell.mark}" if cell.mark else "")


def _latex(header: list[Cell], body: list[Block], caption: str) -> str:
    def line(row: list[Cell]) -> str:
        return "    " + " & ".join(map(_latex_cell, row)) + r" \\"

    blocks = ["\n".join(map(line, block)) for block in body if block]
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex_text(caption)}}}" if caption else "",
        rf"  \begin{{tabular}}{{{'l' * len(header)}}}",
        r"    \toprule",
        line(header),
        r"    \midrule",
        "\n    \\midrule\n".join(blocks),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(filter(None, lines)) + "\n"


def _latex_cell(cell: Cell) -> str:
    if not cell.is_number:
        return _latex_text(cell.text)
    text = cell.text.replace(PLUS_MINUS, r"\pm")
    text = re.sub(r"e([+-]\d+)", lambda match: rf" \times 10^{{{int(match[1])}}}", text)
    number = rf"$\mathbf{{{text}}}$" if cell.bold else f"${text}$"
    return number + _latex_text(cell.mark)


def _latex_text(text: str) -> str:
    return "".join(_TEX_ESCAPES.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


_WRITERS: dict[str, Callable[[list[Cell], list[Block], str], str]] = {
    "md": _markdown,
    "tex": _latex,
}
