"""When a trial is evaluated and compared, in its own training iterations.

A study may say so in epochs, whose length depends on the configuration: on its data set and batch
size.
"""

from __future__ import annotations

from typing import Protocol

from introsearch.errors import ConfigError
from introsearch.study.model import Study
from introsearch.study.sections import EarlyTermination

_NO_EPOCHS = "there are no epochs here, or it is not known how long they are"
_NO_EPOCHS_HINT = "epochs are those of images; of your own, set train_images; or use iterations"


class Trained(Protocol):
    """A configuration, or a trainer's settings."""

    @property
    def epoch_length(self) -> int | None:
        """Iterations of an epoch; None where there are none."""


def interval_of(study: Study, trained: Trained) -> int:
    """Iterations between evaluations."""
    every, unit = study.interval
    return every if unit == "iterations" else every * _epoch_length(trained)


def rung_unit(study: Study, trained: Trained) -> int:
    """Iterations of what rungs are counted in; 1 without early termination."""
    early = study.early_terminate
    return _epoch_length(trained) if early is not None and early.unit == "epochs" else 1


def rungs_of(study: Study, trained: Trained) -> tuple[int, ...]:
    """Iterations at which a trial is compared; none without early termination."""
    if study.early_terminate is None:
        return ()
    unit = rung_unit(study, trained)
    return tuple(rung * unit for rung in study.early_terminate.rungs)


def _epoch_length(trained: Trained) -> int:
    if trained.epoch_length is None:
        raise ConfigError(_NO_EPOCHS, hint=_NO_EPOCHS_HINT)
    return trained.epoch_length


def check_schedule(study: Study, trained: Trained, *, warmup_end: int, iterations: int) -> None:
    """Rungs must coincide with evaluations, after the warm-up and before the end.

    Args:
        study: the study.
        trained: settings of one of its configurations.
        warmup_end: the first iteration at which there is something to compare.
        iterations: the last one.

    Raises:
        ConfigError: they do not, or are in epochs of unknown length. Its `key` is dotted from the
            root of the study file.
    """
    early = study.early_terminate
    keys = ["evaluate_every_epochs"] if study.interval[1] == "epochs" else []
    if early is not None and early.unit == "epochs":
        keys.append(f"early_terminate.{early.rung_keys[0]}")
    if keys and trained.epoch_length is None:
        raise ConfigError(_NO_EPOCHS, key=keys[0], hint=_NO_EPOCHS_HINT)
    if early is None:
        return
    unit = rung_unit(study, trained)
    lowest, highest = warmup_end // unit + 1, iterations // unit
    first, last = (getattr(early, key) for key in early.rung_keys)
    first_key, last_key = (f"early_terminate.{key}" for key in early.rung_keys)
    if first < lowest:
        raise ConfigError(
            f"{first:,} is not after the warm-up of {warmup_end / unit:,.6g} {early.unit}",
            key=first_key,
            hint=f"at least {lowest:,}: before, there is nothing to compare",
        )
    if last > highest:
        raise ConfigError(
            f"{last:,} is above the trial's {iterations / unit:,.6g} {early.unit}",
            key=last_key,
            hint=f"at most {highest:,}",
        )
    if first * unit % interval_of(study, trained):  # later rungs are multiples of the first
        raise _without_evaluation(study.interval, early, iteration=first * unit)


def _without_evaluation(
    interval: tuple[int, str], early: EarlyTermination, *, iteration: int
) -> ConfigError:
    """The error that there is no evaluation at the first rung, which is at `iteration`."""
    (every, counted_in), key = interval, early.rung_keys[0]
    first = getattr(early, key)
    name = "evaluate_every" if counted_in == "iterations" else "evaluate_every_epochs"
    where = (
        f"{first:,}" if early.unit == "iterations" else f"epoch {first:,} (iteration {iteration:,})"
    )
    wanted = "evaluate_every_epochs" if early.unit == "epochs" else name
    hint = f"{wanted}: {first}, or a divisor of it"
    if early.unit == counted_in == "iterations":
        below, above = first // every * every, (first // every + 1) * every
        hint = f"min_iter: {f'{below} or ' if below else ''}{above}, or {hint}"
    return ConfigError(
        f"no evaluation at {where}: it is not a multiple of {name}: {every:,}",
        key=f"early_terminate.{key}",
        hint=hint,
    )
