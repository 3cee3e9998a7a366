"""Tables of a study: its results, and the settings that were chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from introsearch.results.comparison import COMPARISON_COLUMNS
from introsearch.results.statistics import SUMMARY_COLUMNS
from introsearch.results.tables.captions import used_marks
from introsearch.results.tables.formats import (
    DOWN,
    UP,
    Block,
    Cell,
    check_format,
    csv_text,
    format_number,
    write_table,
)
from introsearch.study.model import sign_of
from introsearch.wording import setting

EXTRACTOR = "extractor"  # a column of csv, where there is one
_ARROWS = {1.0: DOWN, -1.0: UP, 0.0: ""}


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
    together with the column `n`. Means that are not significantly worse are marked.

    Args:
        summary: as returned by `comparison.compare`, or `extractors.with_extractors`. A group
            need not have every metric.
        metrics: which metrics to show, in this order.
        goals: ``minimize`` or ``maximize`` for each of them, or empty: then none is bold.
        fmt: ``md``, ``tex`` (needs the package booktabs) or ``csv`` (tidy, a row per group and
            metric with every number in full, no caption).
        caption: plain text, see `captions.caption`.
        blocks: the block of each group; rows of different blocks do not compete for bold. Left out,
            all groups are one block.

    Returns:
        The table, ending with a newline.

    Raises:
        ConfigError: unknown format or goal.
        KeyError: a metric has no goal, or a group no block.
        ValueError: the summary lacks a metric.
    """
    check_format(fmt)
    lacking = sorted(set(metrics) - set(summary["metric"])) if len(summary) else []
    if lacking:
        raise ValueError(f"the summary has no metric {lacking[0]!r}")
    if fmt == "csv":
        return _summary_csv(summary, metrics)
    signs = {metric: sign_of(goals[metric]) for metric in metrics}
    titles = [titled(metric, goals[metric]) for metric in signs]
    header = ["group", *titles, "n"]
    marks = used_marks(summary["verdict"])
    body = [_summary_block(rows, signs, marks) for rows in _split(summary, blocks)]
    return write_table(header, body, fmt=fmt, caption=caption)


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
    check_format(fmt)
    header = ["group", "config_id", *searched]
    rows = []
    for group, config_id in chosen.items():
        settings = {} if config_id is None else chosen_settings[group]
        values = [setting(settings.get(name, math.nan), full=fmt == "csv") for name in searched]
        rows.append([group, config_id or "-", *values])
    if fmt == "csv":
        return csv_text([header, *rows])
    body = [[[Cell(text) for text in row] for row in rows]]
    return write_table(header, body, fmt=fmt, caption=caption)


def titled(metric: str, goal: str) -> str:
    """A metric's name with an arrow that says which way is better, if one is."""
    return f"{metric} {_ARROWS[sign_of(goal)]}".rstrip()


def count_text(row: pd.Series) -> str:
    """Of how many runs a mean is, and what became of the others: ``4 (1 diverged)``.

    Runs that have collapsed count nevertheless: ``5 (2 collapsed)``.
    """
    words = ("diverged", "failed", "missing", "collapsed")
    reasons = [f"{row[name]} {name}" for name in words if row[name]]
    return f"{row['n']} ({', '.join(reasons)})" if reasons else str(row["n"])


def _summary_block(
    rows: pd.DataFrame, signs: Mapping[str, float], marks: Mapping[str, str]
) -> Block:
    best = {metric: _best(_of_metric(rows, metric)["mean"], sign) for metric, sign in signs.items()}
    block = []
    for group, of_group in rows.groupby("group", sort=False):
        cells = [Cell(str(group))]
        for metric, sign in signs.items():
            of_metric = _of_metric(of_group, metric)
            if of_metric.empty:
                cells.append(Cell("-"))
                continue
            row = of_metric.iloc[0]
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
    by_metric = of_group.set_index("metric")
    texts = {m: count_text(by_metric.loc[m]) for m in metrics if m in by_metric.index}
    first = next(iter(texts.values()), "")
    others = [f"{metric}: {text}" for metric, text in texts.items() if text != first]
    return "; ".join([first, *others])


def _of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric]


def _split(summary: pd.DataFrame, blocks: Mapping[str, str] | None) -> list[pd.DataFrame]:
    """The rows of each block, in the order in which the blocks first appear."""
    if blocks is None or summary.empty:
        return [summary]
    labels = pd.Series([blocks[group] for group in summary["group"]], index=summary.index)
    return [rows for _, rows in summary.groupby(labels, sort=False)]


def _summary_csv(summary: pd.DataFrame, metrics: Sequence[str]) -> str:
    chosen = summary[summary["metric"].isin(list(metrics))]
    columns = [*SUMMARY_COLUMNS, *COMPARISON_COLUMNS]
    columns += [EXTRACTOR] if EXTRACTOR in summary else []
    rows = chosen[columns].astype(object).itertuples(index=False, name=None)
    return csv_text(
        [columns, *(["" if pd.isna(value) else value for value in row] for row in rows)]
    )
