"""Tables for a terminal (Markdown), a paper (LaTeX) and a comparison to the last digit (CSV)."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from introsearch.errors import ConfigError, nearest_hint
from introsearch.results.comparison import (
    COMPARISON_COLUMNS,
    LEVEL,
    MIN_SEEDS,
    TIED,
    TOO_FEW,
    WORSE,
)
from introsearch.results.statistics import SUMMARY_COLUMNS, sign_of

FORMATS = ("md", "csv", "tex")
EXTRACTOR = "extractor"  # a column of csv, where there is one

_PLUS_MINUS = "\u00b1"
_ARROWS = {1.0: "\u2193", -1.0: "\u2191", 0.0: ""}
_MARKS = {TIED: "\u2020", TOO_FEW: "\u2021"}
_MAX_DECIMALS = 6
_TEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    _PLUS_MINUS: r"$\pm$",
    _ARROWS[1.0]: r"$\downarrow$",
    _ARROWS[-1.0]: r"$\uparrow$",
    _MARKS[TIED]: r"$^\dagger$",
    _MARKS[TOO_FEW]: r"$^\ddagger$",
} | {character: "\\" + character for character in "_%&#${}"}


class Cell(NamedTuple):
    """One cell: text to escape, or a number as written by `format_number`, and a mark behind."""

    text: str
    is_number: bool = False
    bold: bool = False
    mark: str = ""


_Block = list[list[Cell]]


def render(
    summary: pd.DataFrame,
    *,
    metrics: Sequence[str],
    goals: Mapping[str, str],
    fmt: str,
    caption: str,
    blocks: Mapping[str, str] | None = None,
) -> str:
    """Write the results of a study: a row per group, a column per metric.

    The best mean of each block is bold, survivors of a group with diverged seeds included: read it
    together with the column `n`. Means that are not significantly worse are marked, see `caption`.

    Args:
        summary: as returned by `comparison.compare`, or `extractors.with_extractors`.
        metrics: which metrics to show, in this order.
        goals: ``minimize`` or ``maximize`` for each of them, or empty: then none is bold.
        fmt: ``md``, ``tex`` (needs the package booktabs) or ``csv`` (tidy, a row per group and
            metric with every number in full, no caption).
        caption: plain text, see `caption`.
        blocks: the block of each group; rows of different blocks do not compete for bold. Left out,
            all groups are one block.

    Returns:
        The table, ending with a newline.

    Raises:
        ConfigError: unknown format or goal.
        KeyError: a metric has no goal, or a group no block.
        ValueError: the summary lacks a metric.
    """
    _check_format(fmt)
    lacking = sorted(set(metrics) - set(summary["metric"])) if len(summary) else []
    if lacking:
        raise ValueError(f"the summary has no metric {lacking[0]!r}")
    if fmt == "csv":
        return _summary_csv(summary, metrics)
    signs = {metric: sign_of(goals[metric]) for metric in metrics}
    titles = [titled(metric, goals[metric]) for metric in signs]
    header = [Cell(text) for text in ("group", *titles, "n")]
    marks = used_marks(summary["verdict"])
    body = [_summary_block(rows, signs, marks) for rows in _split(summary, blocks)]
    return _WRITERS[fmt](header, body, caption)


def write_table(header: Sequence[str], body: Sequence[_Block], *, fmt: str, caption: str) -> str:
    """Write a table of one's own layout.

    Args:
        header: titles of the columns.
        body: rows in blocks, which LaTeX separates by lines.
        fmt: ``md``, ``csv`` (no caption; numbers as shown) or ``tex`` (needs booktabs).
        caption: plain text.

    Raises:
        ConfigError: unknown format.
    """
    _check_format(fmt)
    if fmt == "csv":
        return _csv([header, *([cell.text for cell in row] for block in body for row in block)])
    return _WRITERS[fmt]([Cell(text) for text in header], list(body), caption)


def chosen_table(
    chosen_settings: Mapping[str, Mapping[str, object]],
    *,
    chosen: Mapping[str, str | None],
    searched: Sequence[str],
    fmt: str,
    caption: str = "",
) -> str:
    """Write the chosen configuration of each group: its `config_id` and the searched parameters.

    Args:
        chosen_settings: the parameters of the chosen configuration, by group.
        chosen: its `config_id`, by group; None where there is none. Gives the rows.
        searched: the parameters that differ between configurations of the study; one that a group
            does not have is shown as ``-``.
        fmt: ``md``, ``tex`` or ``csv``; only ``csv`` has every number in full.
        caption: plain text; not in ``csv``.

    Returns:
        The table, ending with a newline.

    Raises:
        ConfigError: unknown format.
        KeyError: a chosen configuration without settings.
    """
    _check_format(fmt)
    header = ["group", "config_id", *searched]
    rows = []
    for group, config_id in chosen.items():
        settings = {} if config_id is None else chosen_settings[group]
        values = [_setting(settings.get(name, math.nan), full=fmt == "csv") for name in searched]
        rows.append([group, config_id or "-", *values])
    if fmt == "csv":
        return _csv([header, *rows])
    body = [[[Cell(text) for text in row] for row in rows]]
    return _WRITERS[fmt]([Cell(text) for text in header], body, caption)


def caption(
    *,
    study: str,
    metric: str,
    goal: str,
    select_seeds: Sequence[int],
    report_seeds: Sequence[int],
    verdicts: Iterable[str],
) -> str:
    """Say what the numbers of a table are, and how its configurations were chosen, if they were.

    Args:
        study: its name.
        metric: what configurations were chosen by.
        goal: of the metric.
        select_seeds: the seeds that chose them.
        report_seeds: the seeds of the numbers.
        verdicts: of the table's rows, see `comparison.compare`.

    Raises:
        ConfigError: unknown goal.
    """
    best = "lowest" if sign_of(goal) > 0 else "highest"
    text = (
        f"{study}: mean {_PLUS_MINUS} sample standard deviation (ddof=1) over the n finished runs "
        f"of the report seeds ({_seed_list(report_seeds)})."
    )
    if select_seeds:
        text += (
            f" Each row is the configuration with the {best} mean {metric} over the select seeds "
            f"({_seed_list(select_seeds)})."
        )
    shared = sorted(set(select_seeds) & set(report_seeds))
    if shared:
        text += f" Seeds used for both ({_seed_list(shared)}) favour the chosen configuration."
    return f"{text} Best mean in bold.{marks_text(verdicts)}"


def marks_text(verdicts: Iterable[str]) -> str:
    """What the marks of a table mean, with a blank before, or why there are none."""
    seen = set(verdicts)
    few = f"fewer than {MIN_SEEDS} seeds in common"
    if seen.isdisjoint({TIED, WORSE}):
        return f" n too small for tests ({few})." if TOO_FEW in seen else ""
    text = (
        f" {_MARKS[TIED]}: not significantly worse than the best (paired t-test over common seeds, "
        f"Holm's correction, {LEVEL:.0%})."
    )
    return text + (f" {_MARKS[TOO_FEW]}: n too small to tell ({few})." if TOO_FEW in seen else "")


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
    return (f"({text})" if _PLUS_MINUS in text else text) + f"e{exponent:+03d}"


def _fixed(mean: float, std: float) -> str:
    has_digits = std > 0
    decimals = 1 - _exponent(std) if has_digits else 3 - _exponent(mean) if mean else 0
    shown = min(max(decimals, 0), _MAX_DECIMALS)
    # Adding 0.0 turns -0.0 into 0.0.
    text = f"{round(mean, shown) + 0.0:.{shown}f}"
    if math.isnan(std):
        return text
    small = decimals > _MAX_DECIMALS
    return f"{text} {_PLUS_MINUS} " + (
        "0" if not has_digits else f"{std:.1e}" if small else f"{std:.{shown}f}"
    )


def _exponent(value: float) -> int:
    """The power of ten of `value` after rounding to two digits: 0.0996 counts as 0.10."""
    return int(f"{value:.1e}".partition("e")[2])


def titled(metric: str, goal: str) -> str:
    """A metric's name with an arrow that says which way is better, if one is."""
    return f"{metric} {_ARROWS[sign_of(goal)]}".rstrip()


def used_marks(verdicts: Iterable[str]) -> dict[str, str]:
    """The marks behind means by verdict; none where nothing was tested, as the caption says."""
    return _MARKS if not set(verdicts).isdisjoint({TIED, WORSE}) else {}


def _summary_block(
    rows: pd.DataFrame, signs: Mapping[str, float], marks: Mapping[str, str]
) -> _Block:
    best = {metric: _best(_of_metric(rows, metric)["mean"], sign) for metric, sign in signs.items()}
    block = []
    for group, of_group in rows.groupby("group", sort=False):
        cells = [Cell(str(group))]
        for metric, sign in signs.items():
            row = _of_metric(of_group, metric).iloc[0]
            mean, std, n = float(row["mean"]), float(row["std"]), int(row["n"])
            text = format_number(mean, std=std, n=n)
            is_best = sign != 0 and sign * mean == best[metric]
            mark = "" if is_best else marks.get(row["verdict"], "")
            cells.append(Cell(text, is_number=math.isfinite(mean), bold=is_best, mark=mark))
        block.append([*cells, Cell(_counts(of_group, list(signs)))])
    return block


def _best(means: pd.Series, sign: float) -> float:
    return min((sign * float(mean) for mean in means if math.isfinite(mean)), default=math.nan)


def _counts(of_group: pd.DataFrame, metrics: Sequence[str]) -> str:
    """`5`, `4 (1 diverged)`; a metric that fewer runs have is named."""
    texts = {metric: count_text(_of_metric(of_group, metric).iloc[0]) for metric in metrics}
    first = next(iter(texts.values()), "")
    others = [f"{metric}: {text}" for metric, text in texts.items() if text != first]
    return "; ".join([first, *others])


def count_text(row: pd.Series) -> str:
    """Of how many runs a mean is, and what became of the others: ``4 (1 diverged)``.

    Runs that have collapsed count nevertheless: ``5 (2 collapsed)``.
    """
    words = ("diverged", "failed", "missing", "collapsed")
    reasons = [f"{row[name]} {name}" for name in words if row[name]]
    return f"{row['n']} ({', '.join(reasons)})" if reasons else str(row["n"])


def _of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric]


def _split(summary: pd.DataFrame, blocks: Mapping[str, str] | None) -> list[pd.DataFrame]:
    """The rows of each block, in the order in which the blocks first appear."""
    if blocks is None or summary.empty:
        return [summary]
    labels = pd.Series([blocks[group] for group in summary["group"]], index=summary.index)
    return [rows for _, rows in summary.groupby(labels, sort=False)]


def _setting(value: object, *, full: bool) -> str:
    """A parameter's value in the words of a study file."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return "-" if math.isnan(value) else repr(value) if full else f"{value:.4g}"
    return str(value)


def _seed_list(seeds: Sequence[int]) -> str:
    ordered = sorted(set(seeds))
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))


def _check_format(fmt: str) -> None:
    if fmt not in FORMATS:
        raise ConfigError(f"unknown table format {fmt!r}", hint=nearest_hint(fmt, FORMATS))


def _summary_csv(summary: pd.DataFrame, metrics: Sequence[str]) -> str:
    chosen = summary[summary["metric"].isin(list(metrics))]
    columns = [*SUMMARY_COLUMNS, *COMPARISON_COLUMNS]
    columns += [EXTRACTOR] if EXTRACTOR in summary else []
    rows = chosen[columns].astype(object).itertuples(index=False, name=None)
    return _csv([columns, *(["" if pd.isna(value) else value for value in row] for row in rows)])


def _csv(rows: Sequence[Sequence[object]]) -> str:
    """Comma separated; the csv module writes a float as its repr, which is exact."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _markdown(header: list[Cell], body: list[_Block], caption: str) -> str:
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


def _latex(header: list[Cell], body: list[_Block], caption: str) -> str:
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
    text = cell.text.replace(_PLUS_MINUS, r"\pm")
    text = re.sub(r"e([+-]\d+)", lambda match: rf" \times 10^{{{int(match[1])}}}", text)
    number = rf"$\mathbf{{{text}}}$" if cell.bold else f"${text}$"
    return number + _latex_text(cell.mark)


def _latex_text(text: str) -> str:
    return "".join(_TEX_ESCAPES.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


_WRITERS: dict[str, Callable[[list[Cell], list[_Block], str], str]] = {
    "md": _markdown,
    "tex": _latex,
}
