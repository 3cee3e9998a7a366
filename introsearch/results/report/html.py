"""A study's report as one HTML page that needs nothing else: no network, no other file.

What stands where is said by the template beside this module, which escapes all that it is given.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from introsearch.results.comparison import BEST
from introsearch.results.report.contents import StudyReport
from introsearch.results.tables.captions import used_marks
from introsearch.results.tables.formats import format_number
from introsearch.results.tables.results import count_text, titled
from introsearch.statuses import Status
from introsearch.study.group_label import group_block
from introsearch.study.model import trial_name
from introsearch.wording import setting

_MAX_FAILURES = 50


class _Page(NamedTuple):
    """What links and commands of the page depend on."""

    report: StudyReport
    store_options: str  # that name the same store to another command
    runs_url: str  # of the study's runs on an MLflow server; empty without one


class _Cell(NamedTuple):
    text: str
    link: str = ""
    title: str = ""  # of the link
    is_bold: bool = False
    mark: str = ""  # behind it
    is_command: bool = False


class _Row(NamedTuple):
    cells: list[_Cell]
    starts_block: bool = False  # below a line


class _Table(NamedTuple):
    header: list[str]
    rows: list[_Row]


class _Group(NamedTuple):
    name: str
    anchor: str
    runs: _Table


def render_html(report: StudyReport, *, store_options: str = "", runs_url: str = "") -> str:
    """Write the page.

    Every number of the result table links to the seed runs behind it, with their MLflow run ids and
    the command that repeats each.

    Args:
        report: as returned by `results.report.contents.make_report`.
        store_options: what names the same store to another command, with a blank before.
        runs_url: address of the study's runs on an MLflow server; empty without one.
    """
    page = _Page(report, store_options, runs_url)
    bad = report.result.frame["status"].isin([Status.DIVERGED, Status.FAILED])
    more = max(0, int(bad.sum()) - _MAX_FAILURES)
    return _template().render(
        name=report.result.study.name,
        question=report.question,
        results=_result_table(page),
        caption=report.result.caption(),
        chosen=_chosen_table(page),
        figures=report.figures,
        compute=report.compute.text(),
        failures=_failures(report.result.frame[bad].head(_MAX_FAILURES)),
        num_more_failures=f"{more:,}" if more else "",
        groups=[_group(page, group) for group in report.result.chosen],
    )


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("introsearch.results.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return environment.get_template("page.html.jinja")


def _result_table(page: _Page) -> _Table:
    result = page.report.result
    goals = {metric: result.study.metric_goals[metric] for metric in result.metrics}
    marks = used_marks(result.summary["verdict"])
    rows: list[_Row] = []
    before = ""
    for group, of_group in result.summary.groupby("group", sort=False):
        by_metric = of_group.set_index("metric")
        link = f"#{_anchor(page, str(group))}"
        cells = [
            _number(by_metric.loc[metric], link, marks) if metric in by_metric.index else _Cell("-")
            for metric in goals
        ]
        block = group_block(str(group))
        starts = bool(rows) and block != before
        rows.append(_Row([_Cell(str(group)), *cells, _Cell(count_text(of_group.iloc[0]))], starts))
        before = block
    header = ["group", *(titled(metric, goal) for metric, goal in goals.items()), "n"]
    return _Table(header, rows)


def _number(row: pd.Series, link: str, marks: Mapping[str, str]) -> _Cell:
    if not row["n"]:
        return _Cell("-")
    interval = ""
    if not math.isnan(row["ci_low"]):
        interval = f"95 % interval {row['ci_low']:.4g} to {row['ci_high']:.4g}; "
    p = "" if math.isnan(row["p_value"]) else f"p {row['p_value']:.3g} against the best; "
    return _Cell(
        format_number(float(row["mean"]), std=float(row["std"]), n=int(row["n"])),
        link=link,
        title=f"{interval}{p}n {row['n']}; click for its runs",
        is_bold=row["verdict"] == BEST,
        mark=marks.get(row["verdict"], ""),
    )


def _chosen_table(page: _Page) -> _Table:
    result = page.report.result
    by_id = {c.id: c for c in result.expansion.configurations}
    searched = result.searched
    rows = []
    for group, identity in result.chosen.items():
        settings = by_id[identity].settings if identity else {}
        values = [_Cell(setting(settings.get(name), null="-")) for name in searched]
        rows.append(_Row([_Cell(group), *values, _Cell(identity or "-"), _repeat(page, identity)]))
    return _Table(["group", *searched, "configuration", "repeat it"], rows)


def _repeat(page: _Page, identity: str | None) -> _Cell:
    """The command for a trial of a configuration, a reported one if there is one."""
    frame = page.report.result.frame
    runs = frame[(frame["config_id"] == identity) & (frame["status"] == Status.FINISHED)]
    if identity is None or runs.empty:
        return _Cell("none finished")
    first = runs.sort_values(["stage", "seed"]).iloc[0]  # "report" comes before "select"
    return _replay(page, trial_name(identity, int(first["seed"])))


def _failures(bad: pd.DataFrame) -> _Table:
    header = ["group", "trial", "status", "iteration", "reason"]
    texts = [
        (
            " + ".join(row.groups),
            trial_name(row.config_id, row.seed),
            row.status,
            f"{row.iteration:,}",
            row.reason,
        )
        for row in bad.itertuples()
    ]
    return _Table(header, [_Row([*map(_Cell, row)]) for row in texts])


def _group(page: _Page, group: str) -> _Group:
    """A group's reported runs."""
    result = page.report.result
    metrics = [m for m in result.study.metric_goals if f"metric.{m}" in result.frame]
    runs = result.frame[
        (result.frame["config_id"] == result.chosen[group])
        & result.frame["seed"].isin(result.study.seeds.report)
    ].sort_values("seed")
    rows = [_run(page, row, metrics) for row in runs.to_dict("records")]
    header = ["seed", "status", *metrics, "MLflow run", "repeat it"]
    return _Group(group, _anchor(page, group), _Table(header, rows))


def _run(page: _Page, row: Mapping[str, object], metrics: Iterable[str]) -> _Row:
    values = [float(str(row.get(f"metric.{metric}", math.nan))) for metric in metrics]
    shown = ["-" if math.isnan(value) else f"{value:.6g}" for value in values]
    run_id = str(row["run_id"])
    run = _Cell(run_id, link=f"{page.runs_url}/{run_id}" if page.runs_url else "")
    trial = trial_name(str(row["config_id"]), int(str(row["seed"])))
    texts = [str(row["seed"]), str(row["status"]), *shown]
    return _Row([*map(_Cell, texts), run, _replay(page, trial)])


def _replay(page: _Page, trial: str) -> _Cell:
    study = page.report.result.study.name
    command = f"introsearch replay {trial} --study {study}{page.store_options}"
    return _Cell(command, is_command=True)


def _anchor(page: _Page, group: str) -> str:
    return f"runs-{list(page.report.result.chosen).index(group)}"
