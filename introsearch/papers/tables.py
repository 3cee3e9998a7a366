"""Tables in the layout of the papers: a row per data set and metric, a column per model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from introsearch.errors import ConfigError, nearest_hint
from introsearch.papers.published import (
    difference_in_errors,
    load_published,
    published_value,
    rows_for,
)
from introsearch.results.comparison import BEST
from introsearch.results.result import StudyResult
from introsearch.results.tables.captions import used_marks
from introsearch.results.tables.formats import Cell, format_number, write_table
from introsearch.results.tables.results import titled
from introsearch.study.group_label import blocks_and_members, group_label
from introsearch.wording import setting


def paper_table(
    result: StudyResult, *, metrics: Sequence[str], names: Mapping[str, str], fmt: str
) -> str:
    """The study's result with a column per model.

    A group's label ends with the column it belongs to; what comes before, the data set, say, gives
    the row. A cell without a group is empty; `-` is a group without a finished seed.

    Args:
        result: the study's result.
        metrics: the rows of each data set.
        names: headings of columns by the last part of the group's label; others stay as they are.
        fmt: ``md``, ``csv`` or ``tex``.

    Raises:
        ConfigError: unknown format, or a metric that the study has not measured.
    """
    _check_metrics(result, metrics)
    rows = {(row.group, row.metric): row for row in result.summary.itertuples()}
    blocks, members = blocks_and_members(result.expansion.groups)
    marks = used_marks(result.summary["verdict"])
    goals = result.study.metric_goals
    header = ["", "metric", *(names.get(member, member) for member in members)]
    body = []
    for block in blocks:
        groups = [group_label(filter(None, (block, member))) for member in members]
        body.append(
            [
                [
                    Cell(block),
                    Cell(titled(metric, goals[metric])),
                    *(_cell(rows.get((group, metric)), marks) for group in groups),
                ]
                for metric in metrics
            ]
        )
    return write_table(header, body, fmt=fmt, caption=f"{result.caption()}{_lost(result)}")


def published_table(
    result: StudyResult,
    *,
    metrics: Sequence[str],
    published: str,
    fmt: str,
    source: str = "",
) -> str:
    """The study's result beside published numbers: a row per group and metric.

    Args:
        result: the study's result.
        metrics: the rows of each group.
        published: the name of a table, see `published.load_published`.
        fmt: ``md``, ``csv`` or ``tex``.
        source: which of several published numbers, where the table has them.

    Raises:
        ConfigError: unknown format, or a metric that the study has not measured.
    """
    _check_metrics(result, metrics)
    table = load_published(published)
    settings = _settings_of_groups(result)
    marks = used_marks(result.summary["verdict"])
    rows = {(row.group, row.metric): row for row in result.summary.itertuples()}
    body = []
    for group in result.expansion.groups:
        lines = []
        for metric in metrics:
            row = rows.get((group, metric))
            if row is None:  # its configuration cannot be judged by it
                continue
            ours = _cell(row, marks)
            theirs = published_value(table, settings[group], metric, source=source)
            shown, distance = Cell("-"), math.nan
            if theirs is not None:
                shown = Cell(theirs.text, True)
                distance = difference_in_errors(row.mean, row.std, row.n, theirs)
            known = not math.isnan(distance)
            far = Cell(f"{distance:+.1f}" if known else "-", is_number=known)
            lines.append([Cell(group), Cell(metric), ours, Cell(str(row.n)), shown, far])
        body.append(lines)
    header = ["group", "metric", "ours", "n", "published", "difference / standard error"]
    text = (
        f"{result.caption()}{_lost(result)} Difference: ours minus published, in standard errors "
        f"of the difference. Ours were trained for {_iterations(settings)} iterations: compare "
        "only what was trained alike."
    )
    return write_table(header, body, fmt=fmt, caption=text)


def settings_table(
    result: StudyResult, *, parameters: Sequence[str], published: str, fmt: str
) -> str:
    """The chosen settings of each group, beside published ones where a table's name is given.

    Args:
        result: the study's result.
        parameters: the settings, a column each.
        published: the name of a table with a column per setting; empty for none.
        fmt: ``md``, ``csv`` or ``tex``.

    Raises:
        ConfigError: unknown format.
    """
    table = load_published(published) if published else pd.DataFrame({"source": []})
    sources = list(dict.fromkeys(table["source"]))
    keys = [column for column in table if column not in parameters]
    body = []
    for group, settings in _settings_of_groups(result).items():
        is_chosen = result.chosen[group] is not None
        values = (settings.get(name) if is_chosen else None for name in parameters)
        own = [setting(value, null="-") for value in values]
        known = rows_for(table[keys], settings).index if sources else []
        theirs = []
        for source in sources:
            rows = table.loc[known]
            rows = rows[rows["source"] == source]
            theirs.append(" / ".join(rows.iloc[0][list(parameters)]) if len(rows) else "-")
        body.append([Cell(text) for text in (group, *own, *theirs)])
    header = ["group", *parameters, *(f"{source} ({' / '.join(parameters)})" for source in sources)]
    seeds = ", ".join(map(str, result.study.seeds.select)) or "none"
    text = f"{result.study.name}: settings that the select seeds ({seeds}) chose for each group."
    return write_table(header, [body], fmt=fmt, caption=text)


def _settings_of_groups(result: StudyResult) -> dict[str, dict[str, object]]:
    """By group, trainer and settings of the chosen configuration, or of any while there is none."""
    settings: dict[str, dict[str, object]] = {}
    for group, members in result.expansion.members.items():
        if not members:  # tpe has suggested nothing yet
            settings[group] = {}
            continue
        chosen = next((c for c in members if c.id == result.chosen[group]), members[0])
        settings[group] = {"trainer": chosen.trainer, **chosen.settings}
    return settings


def _iterations(settings: Mapping[str, Mapping[str, object]]) -> str:
    lengths = sorted({int(str(s["iterations"])) for s in settings.values() if s})
    return " or ".join(f"{length:,}" for length in lengths)


def _cell(row: object, marks: Mapping[str, str]) -> Cell:
    if row is None:
        return Cell("")
    mean, std, n, verdict = (getattr(row, name) for name in ("mean", "std", "n", "verdict"))
    text = format_number(mean, std=std, n=n)
    return Cell(text, math.isfinite(mean), bold=verdict == BEST, mark=marks.get(verdict, ""))


def _lost(result: StudyResult) -> str:
    """Report seeds without a number, by group, with a blank before."""
    metric = result.study.metric.name
    rows = result.summary[result.summary["metric"] == metric]
    texts = []
    for row in rows.itertuples():
        lost = [
            f"{getattr(row, w)} {w}" for w in ("diverged", "failed", "missing") if getattr(row, w)
        ]
        texts += [f"{row.group}: {', '.join(lost)}"] if lost else []
    return f" Not all seeds count: {'; '.join(texts)}." if texts else ""


def _check_metrics(result: StudyResult, metrics: Sequence[str]) -> None:
    known = list(result.study.metric_goals)
    for metric in metrics:
        if metric not in known:
            raise ConfigError(
                f"the study {result.study.name!r} does not report {metric!r}",
                hint=nearest_hint(metric, known),
            )
