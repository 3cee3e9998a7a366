"""A study's report: what was asked, found, spent and lost, with all tables and figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure

from introsearch.figures.curves import draw_curves
from introsearch.figures.search import draw_best_so_far, draw_marginals, draw_parallel
from introsearch.figures.style import image
from introsearch.results.compute import Compute, compute_of
from introsearch.results.result import StudyResult
from introsearch.results.search import Histories, first_comparison, searched_frame
from introsearch.results.statistics import one_run_per_seed
from introsearch.study.stopping.schedule import rung_unit, rungs_of
from introsearch.wording import count

_MAX_PARAMETERS = 8  # axes that fit beside each other


@dataclass(frozen=True, kw_only=True)
class StudyFigure:
    """A figure of a report.

    Attributes:
        name: of its files.
        caption: what it shows.
        figure: the drawing.
    """

    name: str
    caption: str
    figure: Figure

    @cached_property
    def png(self) -> bytes:
        """The drawing as a PNG image."""
        return image(self.figure)

    @cached_property
    def pdf(self) -> bytes:
        """The drawing as a PDF file."""
        return image(self.figure, "pdf")


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """All that a report shows.

    Attributes:
        result: the study and what is recorded of it.
        question: what the study asks, in words.
        compute: what it cost.
        figures: in the order in which they are shown.
    """

    result: StudyResult
    question: str
    compute: Compute
    figures: tuple[StudyFigure, ...]


def followed(result: StudyResult) -> tuple[str, list[str]]:
    """The metric that a report follows over training, and the ids of the runs it is followed in."""
    study = result.study
    metric = study.compared_metric if study.seeds.select else study.metric.name
    runs = one_run_per_seed(result.frame, study.seeds.select or study.seeds.report)
    return metric, list(runs["run_id"])


def make_report(result: StudyResult, histories: Histories) -> StudyReport:
    """Draw the figures of a study and gather the rest.

    Args:
        result: what is recorded of the study.
        histories: the metric that is `followed`, by run id and iteration.
    """
    study, frame = result.study, result.frame
    figures = [_curves(result, histories, followed(result)[0])]
    if study.seeds.select and result.searched:
        figures += _search_figures(result, histories)
    return StudyReport(
        result=result,
        question=question(result),
        compute=compute_of(study, frame),
        figures=tuple(figures),
    )


def question(result: StudyResult) -> str:
    """What the study asks: in its own words if it has any, and as it is searched."""
    study = result.study
    own = f"{study.description} " if study.description else ""
    return own + _question(result)


def _question(result: StudyResult) -> str:
    study = result.study
    best = "lowest" if study.metric.goal == "minimize" else "highest"
    sizes = [len(members) for members in result.expansion.members.values()]
    if not study.seeds.select:
        return (
            f"Which {study.metric.name} do {count(len(sizes), 'configuration')} reach, one for "
            f"each group ({', '.join(study.groups)})?"
        )
    tried = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    return (
        f"In each of {count(len(sizes), 'group')} ({', '.join(study.groups)}), which of {tried} "
        f"configurations of {', '.join(result.searched) or 'the settings'} gives the {best} "
        f"{study.metric.name}, and what do fresh seeds say of it?"
    )


def _curves(result: StudyResult, histories: Histories, metric: str) -> StudyFigure:
    study = result.study
    runs = one_run_per_seed(result.frame, study.seeds.select or study.seeds.report)
    groups: dict[str, list[tuple[list[float], list[float], str]]] = {
        group: [] for group in result.expansion.groups
    }
    for run_id, labels, status in zip(runs["run_id"], runs["groups"], runs["status"], strict=True):
        points = histories[run_id]
        for group in labels:
            groups[group].append(([*map(float, points)], [*points.values()], status))
    rule = study.early_terminate if study.seeds.select else None
    stage = "select" if study.seeds.select else "report"
    figure = draw_curves(
        groups,
        rungs=_rungs(result) if rule else {},
        title=f"{study.name}: {metric} of all trials of the {stage} stage",
        metric=metric,
    )
    caption = f"{metric} over training iterations, a line per trial of the {stage} stage."
    if rule is not None:
        caption += (
            f" At a dotted line, the best 1 in {rule.eta} of each group so far goes on; grey "
            "trials were stopped there."
        )
    return StudyFigure(name="curves", caption=caption, figure=figure)


def _rungs(result: StudyResult) -> dict[str, list[int]]:
    """Iterations at which trials are compared, by group."""
    return {
        group: sorted({rung for c in members for rung in rungs_of(result.study, c)})
        for group, members in result.expansion.members.items()
    }


def _search_figures(result: StudyResult, histories: Histories) -> list[StudyFigure]:
    study = result.study
    parameters = result.searched[:_MAX_PARAMETERS]
    units = {c.id: rung_unit(study, c) for c in result.expansion.configurations}
    rows = searched_frame(study, result.frame, histories, searched=parameters, units=units)
    place = {group: i for i, group in enumerate(result.expansion.groups)}
    rows = rows.sort_values("group", key=lambda of: of.map(place), kind="stable")
    if rows.empty:
        return []
    metric, goal = study.metric.name, study.metric.goal
    at = first_comparison(study)
    figures = [
        StudyFigure(
            name="parallel",
            caption="A line per configuration, from its settings to its metric; dark is good, the "
            "best in red. Grey ones were stopped or ended badly.",
            figure=draw_parallel(
                rows,
                parameters=parameters,
                metric=metric,
                goal=goal,
                title=f"{study.name}: settings and {metric}",
            ),
        )
    ]
    if rows["early"].notna().any():
        caption = (
            "The effect of each setting alone: a dot per configuration, lines are medians, bands "
            f"quartiles. Compared at {at}, which stopped configurations have reached "
            "too, by the metric that rungs compare."
        )
        title = f"{study.name}: {study.compared_metric} at {at}, by setting"
        figures.append(
            StudyFigure(
                name="marginals",
                caption=caption,
                figure=draw_marginals(
                    rows, parameters=parameters, metric=study.compared_metric, title=title
                ),
            )
        )
    if not math.isnan(rows["score"].min()):
        figures.append(
            StudyFigure(
                name="best_so_far",
                caption="The best finished configuration of each group against the training time "
                "spent on the group; a mark at each improvement.",
                figure=draw_best_so_far(
                    rows, metric=metric, goal=goal, title=f"{study.name}: the search over time"
                ),
            )
        )
    return figures
