"""What must hold between the parts of a study: rungs, warm-up, trial lengths, groups."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from introsearch.errors import ConfigError, nearest_hint
from introsearch.registry import METRICS, TRAINERS, is_path, metrics_for
from introsearch.study.model import Study
from introsearch.study.parameters import label
from introsearch.study.spaces import Space
from introsearch.training.settings import TrainerSettings


def check_rungs(study: Study) -> None:
    """Every rung must coincide with an evaluation.

    Raises:
        ConfigError: a rung is not a multiple of `evaluate_every`.
    """
    early, step = study.early_terminate, study.evaluate_every
    if early is None or early.min_iter % step == 0:  # later rungs are multiples of the first
        return
    below, above = early.min_iter // step * step, (early.min_iter // step + 1) * step
    raise ConfigError(
        f"no evaluation at {early.min_iter:,}: it is not a multiple of evaluate_every: {step:,}",
        key="early_terminate.min_iter",
        hint=f"min_iter: {f'{below} or ' if below else ''}{above}, or for evaluate_every "
        f"{early.min_iter} or a divisor of it",
    )


def check_configuration(study: Study, variant: str, settings: TrainerSettings) -> None:
    """The metric must suit a configuration's data set, early termination its length and warm-up.

    Raises:
        ConfigError: a metric for other data, the first rung within the warm-up, or `max_iter`
            beyond the end.
    """
    _check_metric(study, variant, getattr(settings, "dataset", None))
    early = study.early_terminate
    if early is None:
        return
    if early.min_iter <= settings.warmup_end:
        raise ConfigError(
            f"{early.min_iter:,} is not after the warm-up of {settings.warmup_end:,} iterations "
            f"(variant: {variant})",
            key="early_terminate.min_iter",
            hint=f"at least {settings.warmup_end + 1:,}: before, there is nothing to compare",
        )
    if early.max_iter > settings.iterations:
        raise ConfigError(
            f"{early.max_iter:,} is above iterations: {settings.iterations:,} (variant: {variant})",
            key="early_terminate.max_iter",
            hint=f"at most {settings.iterations:,}",
        )


def _check_metric(study: Study, variant: str, dataset: str | None) -> None:
    trainer = study.variants[variant].trainer or study.trainer
    name, applicable = study.metric.name, metrics_for(dataset, trainer=trainer)
    if not is_path(name) and name not in applicable:
        kinds = METRICS[name].data.split()
        fault = f"is for {' or '.join(kinds)}, and dataset: {dataset} has none"
        judged = {entry.judged_as for entry in TRAINERS.values()}
        if judged & {*kinds, TRAINERS[trainer].judged_as if trainer in TRAINERS else ""} - {""}:
            fault = f"is not a metric of trainer: {trainer}"
        raise ConfigError(
            f"{name} {fault} (variant: {variant})",
            key="metric.name",
            hint=nearest_hint(name, applicable),
        )


def check_groups(study: Study, sizes: Mapping[str, int]) -> None:
    """A choice needs seeds to make it with.

    Args:
        study: the study.
        sizes: configurations by group.

    Raises:
        ConfigError: no select seeds although a group has several configurations.
    """
    if study.seeds.select:
        return
    for group, size in sizes.items():
        if size > 1:
            raise ConfigError(
                f"is empty, but group {group!r} has {size:,} configurations to select from",
                key="seeds.select",
                hint="e.g. select: [0]",
            )


def check_apart(samples: Mapping[str, Sequence[tuple[Space, Mapping[str, Any]]]]) -> None:
    """Groups must share no configuration: TPE suggests for each group on its own.

    Args:
        samples: by group its spaces, each with the settings of some point in it.

    Raises:
        ConfigError: two groups have no setting that tells them apart for certain.
    """
    for (one, first), (other, second) in itertools.combinations(samples.items(), 2):
        for a, b in itertools.product(first, second):
            if not any(_differ(a, b, name) for name in a[1].keys() | b[1].keys()):
                raise ConfigError(
                    f"groups {one!r} and {other!r} may share configurations, which tpe cannot use",
                    key="groups",
                    hint="let a setting differ in every case, or use method: random or grid",
                )


def _differ(
    a: tuple[Space, Mapping[str, Any]], b: tuple[Space, Mapping[str, Any]], name: str
) -> bool:
    """Whether a setting is never the same in two spaces (of a real number: almost never)."""
    if (name in a[1]) != (name in b[1]):  # other trainers
        return True
    if any(_is_real(space, name) for space, _ in (a, b)):
        return True
    one, other = _legal(*a, name), _legal(*b, name)
    return one is not None and other is not None and one.isdisjoint(other)


def _is_real(space: Space, name: str) -> bool:
    parameter = space.parameters.get(name)
    return parameter is not None and parameter.distribution in ("uniform", "log_uniform")


def _legal(space: Space, settings: Mapping[str, Any], name: str) -> set[str] | None:
    """What a setting may be, in words; None if that is not known here."""
    parameter = space.parameters.get(name)
    if parameter is None or name in space.fixed:
        return {label(settings[name])}
    if parameter.reference is not None or parameter.distribution is not None:
        return None
    return {label(value) for value in parameter.values}
