"""What must hold between the parts of a study: rungs, warm-up, trial lengths, groups."""

from __future__ import annotations

from collections.abc import Mapping

from introsearch.errors import ConfigError
from introsearch.study.model import Study
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
    """Early termination must fit a configuration's length and warm-up.

    Raises:
        ConfigError: the first rung is within the warm-up, or `max_iter` beyond the end.
    """
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
