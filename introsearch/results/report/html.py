"""A study's report as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from introsearch.results.comparison import BEST
from introsearch.results.report.contents import StudyFigure, StudyReport
from introsearch.results.tables.captions import used_marks
from introsearch.results.tables.formats import format_number
from introsearch.results.tables.results import count_text, titled
from introsearch.statuses import Status
from introsearch.study.model import trial_name
from introsearch.wording import setting

MAX_FAILURES = 50

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .55rem; text-align: left; white-space: nowrap; }
thead th { border-top: 2px solid #222; border-bottom: 1px solid #222; }
tbody tr:last-child td { border-bottom: 2px solid #222; }
tr.block td { border-top: 1px solid #bbb; }
.wide { overflow-x: auto; } .note, figcaption { color: #555; max-width: 50rem; }
figure { margin: 1.5rem 0; } img { max-width: 100%; }
code { background: #f3f3f3; padding: .1rem .3rem; }
td a { color: inherit; text-decoration: none; border-bottom: 1px dotted #999; }
:target { background: #fff3cd; }
@media (prefers-color-scheme: dark) { body { background: #fff; } }
"""


class _Page(NamedTuple):
    """What links and commands of the page depend on."""

    report: StudyReport
    store_options: str  # that name the same store to another command
    runs_url: str  # of the study's runs on an MLflow server; empty without one


def render_html(report: StudyReport, *, store_options: str = "", runs_url: str = "") -> str:
    """The page.

    Every number of the result table links to the seed runs behind it, with their MLflow run ids and
    the command that repeats each.

    Args:
        report: as returned by `report.make_report`.
        store_options: what names the same store to another command, with a blank before.
        runs_url: address of the study's runs on an MLflow server; empty without one.
    """
    page = _Page(report, store_options, runs_url)
    study = report.result.study
    parts = [
        f"<h1>{_text(study.name)}</h1><p class=note>{_text(report.question)}</p>",
        _section("Result", _result_table(page)),
        _section("Chosen configurations", _chosen_table(page)),
        *(_figure(figure) for figure in report.figures),
        _section("Compute", f"<p>{_text(report.compute.text())}</p>"),
        _section("Failures", _failures(page)),
        _section("Runs behind each number", _runs(page)),
    ]
    head = f"<meta charset=utf-8><title>{_text(study.name)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _result_table(page: _Page) -> str:
    result = page.report.result
    goals = {metric: result.study.metric_goals[metric] for metric in result.metrics}
    marks = used_marks(result.summary["verdict"])
    header = ["group", *(titled(metric, goal) for metric, goal in goals.items()), "n"]
    rows, blocks = [], []
    for group, of_group in result.summary.groupby("group", sort=False):
        by_metric = of_group.set_index("metric")
        link = f"#{_anchor(page, str(group))}"
        has = by_metric.index
        cells = [_number(by_metric.loc[m], link, marks) if m in has else "-" for m in goals]
        rows.append([_text(str(group)), *cells, count_text(of_group.iloc[0])])
        blocks.append(str(group).rpartition(" / ")[0])
    return _table(header, rows, blocks=blocks) + f"<p class=note>{_text(result.caption())}</p>"


def _number(row: pd.Series, link: str, marks: Mapping[str, str]) -> str:
    if not row["n"]:
        return "-"
    text = format_number(float(row["mean"]), std=float(row["std"]), n=int(row["n"]))
    interval = ""
    if not math.isnan(row["ci_low"]):
        interval = f"95 % interval {row['ci_low']:.4g} to {row['ci_high']:.4g}; "
    p = "" if math.isnan(row["p_value"]) else f"p {row['p_value']:.3g} against the best; "
    shown = f"<b>{_text(text)}</b>" if row["verdict"] == BEST else _text(text)
    title = _text(f"{interval}{p}n {row['n']}; click for its runs")
    return f'<a href="{link}" title="{title}">{shown}</a> {marks.get(row["verdict"], "")}'


def _chosen_table(page: _Page) -> str:
    result = page.report.result
    by_id = {c.id: c for c in result.expansion.configurations}
    searched = result.searched
    rows = []
    for group, identity in result.chosen.items():
        settings = by_id[identity].settings if identity else {}
        values = [_text(setting(settings.get(name), null="-")) for name in searched]
        rows.append([_text(group), *values, _text(identity or "-"), _repeat(page, identity)])
    note = "<p class=note>The command trains one of its trials again and compares all numbers.</p>"
    return _table(["group", *searched, "configuration", "repeat it"], rows) + note


def _repeat(page: _Page, identity: str | None) -> str:
    """The command for a trial of a configuration, a reported one if there is one."""
    frame = page.report.result.frame
    runs = frame[(frame["config_id"] == identity) & (frame["status"] == Status.FINISHED)]
    if identity is None or runs.empty:
        return "none finished"
    first = runs.sort_values(["stage", "seed"]).iloc[0]  # "report" comes before "select"
    return _replay(page, trial_name(identity, int(first["seed"])))


def _failures(page: _Page) -> str:
    frame = page.report.result.frame
    bad = frame[frame["status"].isin([Status.DIVERGED, Status.FAILED])]
    if bad.empty:
        return "<p>No trial diverged or failed.</p>"
    rows = [
        [
            _text(" + ".join(row.groups)),
            _text(trial_name(row.config_id, row.seed)),
            _text(row.status),
            f"{row.iteration:,}",
            _text(row.reason),
        ]
        for row in bad.head(MAX_FAILURES).itertuples()
    ]
    more = f"<p>and {len(bad) - MAX_FAILURES:,} more</p>" if len(bad) > MAX_FAILURES else ""
    return _table(["group", "trial", "status", "iteration", "reason"], rows) + more


def _runs(page: _Page) -> str:
    result = page.report.result
    metrics = [m for m in result.study.metric_goals if f"metric.{m}" in result.frame]
    parts = []
    for group, identity in result.chosen.items():
        runs = result.frame[
            (result.frame["config_id"] == identity)
            & result.frame["seed"].isin(result.study.seeds.report)
        ].sort_values("seed")
        rows = [_run(page, row, metrics) for row in runs.to_dict("records")]
        title = f'<h3 id="{_anchor(page, group)}">{_text(group)}</h3>'
        header = ["seed", "status", *metrics, "MLflow run", "repeat it"]
        parts.append(title + (_table(header, rows) if rows else "<p>No runs yet.</p>"))
    return "".join(parts)


def _run(page: _Page, row: Mapping[str, object], metrics: Iterable[str]) -> list[str]:
    values = [float(str(row.get(f"metric.{metric}", math.nan))) for metric in metrics]
    shown = ["-" if math.isnan(value) else f"{value:.6g}" for value in values]
    run_id = _text(str(row["run_id"]))
    if page.runs_url:
        run_id = f'<a href="{_text(page.runs_url)}/{run_id}">{run_id}</a>'
    trial = trial_name(str(row["config_id"]), int(str(row["seed"])))
    return [str(row["seed"]), _text(str(row["status"])), *shown, run_id, _replay(page, trial)]


def _replay(page: _Page, trial: str) -> str:
    study = page.report.result.study.name
    return (
        f"<code>introsearch replay {_text(f'{trial} --study {study}{page.store_options}')}</code>"
    )


def _figure(figure: StudyFigure) -> str:
    data = base64.b64encode(figure.png).decode()
    picture = f'<img alt="{_text(figure.name)}" src="data:image/png;base64,{data}">'
    return f"<figure>{picture}<figcaption>{_text(figure.caption)}</figcaption></figure>"


def _section(title: str, body: str) -> str:
    return f"<h2>{title}</h2>{body}"


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, blocks: Sequence[str] = ()
) -> str:
    """Cells are HTML, the header is text; a line is drawn where the block changes."""
    head = "".join(f"<th>{_text(title)}</th>" for title in header)
    body = []
    for i, row in enumerate(rows):
        starts = bool(blocks) and i > 0 and blocks[i] != blocks[i - 1]
        cells = "".join(f"<td>{cell}</td>" for cell in row)
        body.append(f"<tr{' class=block' if starts else ''}>{cells}</tr>")
    inside = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f"<div class=wide><table>{inside}</table></div>"


def _anchor(page: _Page, group: str) -> str:
    return f"runs-{list(page.report.result.chosen).index(group)}"


def _text(text: str) -> str:
    return html.escape(text)
