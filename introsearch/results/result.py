"""What a study found: the chosen configurations, and the table over the report seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from introsearch.editions import difference
from introsearch.extensions import is_path, misfit
from introsearch.registry import is_timing
from introsearch.results.comparison import compare
from introsearch.results.extractors import extractors_of, extractors_text, with_extractors
from introsearch.results.statistics import choose, summarise
from introsearch.results.tables.captions import caption
from introsearch.results.tables.results import chosen_table, render
from introsearch.statuses import OPEN, Status
from introsearch.study.group_label import group_block
from introsearch.study.model import Stage, Study
from introsearch.study.search.expand import Expansion, searched_settings


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """A study and all that is recorded of it.

    Attributes:
        study: the study.
        expansion: its configurations and groups.
        frame: one row per seed run (`record.frames.read_frame`).
        chosen: identity of each group's chosen configuration; None where there is none.
        summary: mean, std and n per group and metric (`results.statistics.summarise`), with
            intervals and tests (`results.comparison.compare`); without the metrics that a group's
            configuration cannot be judged by.
    """

    study: Study
    expansion: Expansion
    frame: pd.DataFrame
    chosen: dict[str, str | None]
    summary: pd.DataFrame

    def table(self, fmt: str) -> str:
        """Mean and std of every metric over the report seeds, as ``md``, ``csv`` or ``tex``.

        Wall times are left out: a table is the same on every run.

        Raises:
            ConfigError: its runs were judged by different feature extractors.
        """
        study = self.study
        return render(
            with_extractors(self.summary, self.frame),
            metrics=self.metrics,
            goals=study.metric_goals,
            fmt=fmt,
            caption=self.caption(),
            blocks=_blocks_of(self.expansion.groups),
        )

    @property
    def metrics(self) -> list[str]:
        """Of the table: what some chosen configuration can be judged by, wall times left out."""
        return [name for name in dict.fromkeys(self.summary["metric"]) if not is_timing(name)]

    def caption(self) -> str:
        """What the numbers of the table are.

        Raises:
            ConfigError: its runs were judged by different feature extractors.
        """
        study = self.study
        text = caption(
            study=study.name,
            metric=study.metric.name,
            goal=study.metric.goal,
            select_seeds=study.seeds.select,
            report_seeds=study.seeds.report,
            verdicts=self.summary["verdict"],
        )
        if (self.summary["collapsed"] > 0).any():
            text += " Collapsed runs, in which a latent has no active unit, count like others."
        if older := difference(study.edition):
            text += f" Begun by an earlier version, {older}."
        return text + extractors_text(extractors_of(self.frame), asked=self.metrics)

    def chosen_table(self, fmt: str) -> str:
        """The settings of each group's chosen configuration in which configurations differ."""
        by_id = {c.id: c for c in self.expansion.configurations}
        settings = {g: by_id[i].settings for g, i in self.chosen.items() if i is not None}
        return chosen_table(settings, chosen=self.chosen, searched=self.searched, fmt=fmt)

    @cached_property
    def searched(self) -> list[str]:
        """Settings that take several values within some group."""
        return searched_settings(self.expansion)


def summary_of(
    study: Study, expansion: Expansion, frame: pd.DataFrame, *, chosen: Mapping[str, str | None]
) -> pd.DataFrame:
    """The `summary` of a `StudyResult`; arguments as its attributes."""
    seeds, goals = study.seeds.report, study.metric_goals
    summary = summarise(frame, metrics=list(goals), chosen=chosen, seeds=seeds)
    summary = summary[_applicable(summary, expansion)].reset_index(drop=True)
    blocks = _blocks_of(expansion.groups)
    return compare(summary, frame, goals=goals, seeds=seeds, blocks=blocks)


def _applicable(summary: pd.DataFrame, expansion: Expansion) -> list[bool]:
    """Whether the metric of each row applies to its configuration.

    One of the user's own always does, and any does where no configuration is chosen yet.
    """
    known = {c.id: c for c in expansion.configurations}
    return [
        is_path(metric)
        or identity not in known
        or not misfit(metric, known[identity].trainer, settings=known[identity].settings)
        for identity, metric in zip(summary["config_id"], summary["metric"], strict=True)
    ]


def choose_configurations(
    study: Study, expansion: Expansion, frame: pd.DataFrame
) -> dict[str, str | None]:
    """Per group the best configuration of the select stage, or the only one if there is none.

    Args:
        study: the study.
        expansion: its configurations.
        frame: one row per seed run, with stage, seed and what `results.statistics.choose` needs.
    """
    if not study.seeds.select:
        return {group: members[0].id for group, members in expansion.members.items()}
    rows = zip(frame["stage"], frame["seed"], frame["status"], strict=True)
    ends = [end_of_select(study, stage=t, seed=seed, status=status) for t, seed, status in rows]
    return choose(
        frame.assign(status=ends),
        metric=study.metric.name,
        goal=study.metric.goal,
        groups=expansion.groups,
        seeds=study.seeds.select,
    )


def end_of_select(study: Study, *, stage: Stage, seed: int, status: Status) -> Status:
    """The status of a trial in the select stage, which may be over for it.

    A select seed is run again to be reported if it lacks a metric of the report. Its configuration
    has been chosen then, and stays so meanwhile.

    Args:
        study: the study.
        stage: the one that the trial was started for last.
        seed: the trial's.
        status: where it stands now.
    """
    again = stage == "report" and seed in study.seeds.select
    return Status.FINISHED if again and status in OPEN else status


def _blocks_of(groups: tuple[str, ...]) -> dict[str, str]:
    """Groups that share all but the last part of their label are compared with each other."""
    return {group: group_block(group) for group in groups}
