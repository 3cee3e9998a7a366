"""What must hold between the parts of a study: metric, schedule, groups."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import is_path, metrics_for, misfit
from introsearch.settings.base import (
    TrainerSettings,
    check_values,
    settings_class,
    settings_to_dict,
    written_fields,
)
from introsearch.study.model import Study
from introsearch.study.parameters import label
from introsearch.study.search.spaces import Space, in_file
from introsearch.study.space import SearchSpace
from introsearch.study.stopping.schedule import check_schedule


def candidate_faults(space: SearchSpace) -> list[ConfigError]:
    """What trainers refuse of a study's parameters, name by name and candidate by candidate.

    Products and draws are not known before the space is expanded.

    Args:
        space: what is searched.
    """
    faults: list[ConfigError] = []
    checked: set[tuple[str, str]] = set()  # common parameters, by trainer
    for variant, own in space.variants.items():
        trainer, parameters = space.trainer_of(variant), space.parameters_of(variant)
        known = written_fields(settings_class(trainer))
        for name, parameter in parameters.items():
            if name not in own.parameters and parameter.by is None:
                if (trainer, name) in checked:
                    continue
                checked.add((trainer, name))
            candidates = parameter.candidates(parameters) if name in known else [("", None)]
            for place, candidate in candidates:
                try:
                    check_values(trainer, {name: candidate})
                except ConfigError as error:
                    faults.append(in_file(space, variant, error, name=name, at=place))
    return faults


def check_configuration(study: Study, variant: str, settings: TrainerSettings) -> None:
    """The metric must suit a configuration's data set, the schedule its length and warm-up.

    Raises:
        ConfigError: a metric for other data, or as for `check_schedule`.
    """
    _check_metric(study, variant, settings)
    try:
        check_schedule(
            study, settings, warmup_end=settings.warmup_end, iterations=settings.iterations
        )
    except ConfigError as error:
        message = f"{error.message} (variant: {variant})"
        raise ConfigError(message, key=error.key, hint=error.hint) from None
    early, latent_dim = study.early_terminate, getattr(settings, "latent_dim", None)
    units = None if early is None else early.min_active_units
    if units is not None and latent_dim is not None and units > latent_dim:
        raise ConfigError(
            f"{units} is above latent_dim: {latent_dim} (variant: {variant})",
            key="early_terminate.min_active_units",
            hint=f"at most {latent_dim}",
        )


def _check_metric(study: Study, variant: str, settings: TrainerSettings) -> None:
    trainer, name = study.trainer_of(variant), study.metric.name
    plain = settings_to_dict(settings)
    if not is_path(name) and (fault := misfit(name, trainer, settings=plain)):
        raise ConfigError(
            f"{name} {fault} (variant: {variant})",
            key="metric.name",
            hint=nearest_hint(name, metrics_for(trainer, plain)),
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
