"""Settings of trainers: typed, frozen, validated, and free of torch."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import check_name, is_path, load, resolve
from introsearch.registry import TRAINERS
from introsearch.settings.fields import (
    bounded,
    check_field,
    coerce,
    field_types,
)


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """What every trainer can be told; its settings are derived from this.

    Fields are bool, int, float, str, a tuple of them, or one of these or None. They have defaults
    and may have bounds or choices (`settings.fields`). What no single field can say is checked in
    `__post_init__`, after that of this class, by raising a ConfigError with the field as its key.

    Attributes:
        iterations: training iterations altogether.
    """

    iterations: int = bounded(30_000, low=1)

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            check_field(f, getattr(self, f.name))

    @property
    def warmup_end(self) -> int:
        """First iteration at which metrics of different configurations can be compared."""
        return 0

    @property
    def epoch_length(self) -> int | None:
        """Iterations of an epoch; None if there are no epochs, or it is not known how long."""
        return None

    def shortened(self, iterations: int) -> Self:
        """The same, trained for few iterations, half of them warm-up if any: to measure its cost.

        A trainer with other phases must shorten them too.
        """
        return dataclasses.replace(self, iterations=iterations)


def settings_class(trainer: str) -> type[TrainerSettings]:
    """The class of a trainer's settings; imports no torch for a registered trainer.

    Args:
        trainer: a registered trainer, or the dotted path of the user's own.

    Raises:
        ConfigError: no such trainer, or its `Settings` are none.
    """
    check_name("trainer", trainer)
    if not is_path(trainer):
        cls: type[TrainerSettings] = load(TRAINERS[trainer].settings)
        return cls
    own: Any = getattr(resolve("trainer", trainer), "Settings", None)
    sound = isinstance(own, type) and issubclass(own, TrainerSettings)
    if not sound or (inspect.get_annotations(own) and "__dataclass_fields__" not in vars(own)):
        raise ConfigError(
            f"{trainer} has no Settings that could be checked",
            key="trainer",
            hint="they must be a dataclass(frozen=True, kw_only=True), derived from "
            "introsearch.settings.base:TrainerSettings",
        )
    checked: type[TrainerSettings] = own
    return checked


def resolve_settings(trainer: str, parameters: Mapping[str, Any]) -> TrainerSettings:
    """Validate plain values into a trainer's settings, with every default filled in.

    Args:
        trainer: a registered trainer, or the dotted path of the user's own.
        parameters: plain YAML values by setting name.

    Returns:
        The trainer's frozen settings.

    Raises:
        ConfigError: unknown trainer or key, wrong type, value out of range, or settings that
            contradict each other. Its `key` is the setting's name.
    """
    cls: Any = settings_class(trainer)
    types = field_types(cls)
    for key in parameters:
        if key not in types:
            raise ConfigError(
                f"trainer {trainer!r} has no setting {key!r}",
                key=str(key),
                hint=nearest_hint(key, types),
            )
    for f in dataclasses.fields(cls):
        if f.default is dataclasses.MISSING and f.name not in parameters:
            raise ConfigError(
                f"trainer {trainer!r} needs a value for {f.name!r}",
                key=f.name,
                hint=f"add {f.name}: ... to the parameters",
            )
    settings: TrainerSettings = cls(**{k: coerce(k, v, types[k]) for k, v in parameters.items()})
    return settings


def settings_to_dict(settings: TrainerSettings) -> dict[str, Any]:
    """All settings as plain JSON values (tuples become lists).

    What is None because it does not apply is left out, and so is a default that is implied
    (`fields.plain`), so that a new setting leaves the identity of older configurations as it is.
    """
    values = {
        f.name: value
        for f in dataclasses.fields(settings)
        if (value := getattr(settings, f.name)) is not None or f.default is not None
        if not (f.metadata.get("implied") and value == f.default)
    }
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
