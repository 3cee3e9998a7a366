"""Settings of trainers: typed, frozen, validated, and free of torch."""

import copy
import functools
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from introsearch.errors import ConfigError
from introsearch.extensions import SETTINGS_FORM, check_name, is_path, load, resolve
from introsearch.registry import TRAINERS
from introsearch.settings.model import IMPLIED, Model, Whole, validated
from introsearch.settings.schema import can_be_written, schema_of


class TrainerSettings(Model):
    """What every trainer can be told; its settings are derived from this.

    A field's type, bounds and default say what a study file may give for it (`settings.model`). A
    field without a default must be given, or filled in by `fill`. What no single field can say is
    said by `contradictions`.
    """

    class Written(Model):
        """What a study file may say in other words than the settings that it resolves to.

        A trainer's `Written` is derived from that of the trainer it is derived from.
        """

    iterations: Whole = Field(30_000, ge=1, description="training iterations altogether")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if IMPLIED in field.metadata and field.is_required():
                raise TypeError(f"{name} has no default, which could be implied")
        if not cls.__module__.startswith("introsearch."):
            cls.model_rebuild()  # so that what is wrong with the user's own is said where it stands

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        """All settings, of those that a study file gives.

        Args:
            written: every setting that a file may give, and `Written`, by name. One that was not
                given has its default; None, if that depends on other settings.

        Raises:
            ConfigError: what is given contradicts itself. Its `key` is the setting.
        """
        return written

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
        return self.changed(iterations=iterations)


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
    if fault := _fault(own):
        raise ConfigError(f"{trainer} {fault}", key="trainer", hint=SETTINGS_FORM)
    checked: type[TrainerSettings] = own
    return checked


def _fault(own: Any) -> str:
    """Why something cannot be the settings of a trainer of the user's own; empty if it can."""
    if not isinstance(own, type) or not issubclass(own, TrainerSettings):
        return "has no Settings"
    if "__dataclass_fields__" in vars(own):  # as up to version 0.1
        return "has Settings that are a dataclass"
    properties = schema_of(written_type(own))["properties"]
    odd = [name for name, schema in properties.items() if not can_be_written(schema)]
    types = [f"{name}: {own.model_fields[name].annotation}" for name in odd]
    return f"has Settings that no study file can express: {', '.join(types)}" if odd else ""


@functools.cache
def written_type(cls: type[TrainerSettings]) -> type[Model]:
    """What a study file may say of a trainer's settings: each may be left out."""
    own = cls.Written.model_fields
    fields: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        if name in own:
            continue
        if field.is_required():
            field = copy.copy(field)
            field.default = None
        fields[name] = (field.annotation, field)
    return create_model(cls.__name__, __base__=cls.Written, __doc__=cls.__doc__, **fields)


def written_fields(cls: type[TrainerSettings]) -> dict[str, FieldInfo]:
    """What a study file may give, by name: the settings, and the words that stand for some."""
    return written_type(cls).model_fields


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
    cls = settings_class(trainer)
    filled = cls.fill(dict(vars(check_values(trainer, parameters))))
    return validated(
        cls,
        {
            name: filled[name]
            for name, field in cls.model_fields.items()
            if not (filled[name] is None and field.is_required())
        },
    )


def check_values(trainer: str, parameters: Mapping[str, Any]) -> Model:
    """Validate plain values, each by itself.

    Arguments and errors as for `resolve_settings`.

    Returns:
        What is written, by name: see `TrainerSettings.fill`.
    """
    cls = written_type(settings_class(trainer))
    try:
        return validated(cls, parameters)
    except ConfigError as error:
        scalars = {
            name
            for name, schema in schema_of(cls)["properties"].items()
            if can_be_written(schema, in_list=True)
        }
        for each in error.all:
            if each.key in parameters.keys() - cls.model_fields.keys():
                each.message = f"trainer {trainer!r} has no setting {each.key!r}"
            elif each.key in scalars and isinstance(value := parameters[each.key], list):
                each.hint = f"to try each: {each.key}: {{values: {value}}}"
        raise


def settings_to_dict(settings: TrainerSettings) -> dict[str, Any]:
    """All settings as plain JSON values (tuples become lists).

    What is None because it does not apply is left out, and so is a default that is implied
    (`model.IMPLIED`), so that a new setting leaves the identity of older configurations as it is.
    """
    values = {
        name: value
        for name, field in type(settings).model_fields.items()
        if (value := getattr(settings, name)) is not None or field.default is not None
        if not (IMPLIED in field.metadata and value == field.default)
    }
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
