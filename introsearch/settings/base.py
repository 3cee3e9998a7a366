"""Settings of trainers: typed, frozen, validated, and free of torch."""

import functools
import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from introsearch.errors import ConfigError
from introsearch.extensions import SETTINGS_FORM, check_name, is_path, load, resolve
from introsearch.registry import TRAINERS
from introsearch.settings.model import IMPLIED, Model, Whole, validated
from introsearch.settings.schema import schema_of


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
            written: every setting that a file may give, those of `Written` too, by name. One that
                was not given has its default, or None if that depends on other settings.

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


@functools.cache
def _fault(own: Any) -> str:
    """Why something cannot be the settings of a trainer of the user's own; empty if it can."""
    if not isinstance(own, type) or not issubclass(own, TrainerSettings):
        return "has no Settings"
    names = {name for cls in own.__mro__ for name in vars(cls)}
    if not names.isdisjoint(("__dataclass_fields__", "__post_init__")):  # as up to version 0.1
        return "has Settings that are a dataclass, or with a __post_init__"
    fields = own.model_fields | own.Written.model_fields
    odd = [f"{n}: {f.annotation}" for n, f in fields.items() if not _can_be_written(f.annotation)]
    if odd:
        return f"has Settings that no study file can express: {', '.join(odd)}"
    try:
        schema_of(written_type(own))
    except Exception as error:  # it is foreign code
        reason = str(error).partition("\n")[0]
        return f"has Settings that pydantic cannot use: {type(error).__name__}: {reason}"
    taken = [name for name in fields if name in dir(TrainerSettings)]
    renamed = [n for n, f in fields.items() if f.alias or f.validation_alias]
    if taken or renamed:
        return f"has Settings that need another name: {', '.join([*taken, *renamed])}"
    return ""


def _can_be_written(annotation: Any, *, in_list: bool = False) -> bool:
    """Whether a parameter can be of a type: scalars, and lists of them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _can_be_written(inner[0], in_list=in_list)
    if origin in (Union, UnionType):
        return all(_can_be_written(part, in_list=in_list) for part in inner)
    if origin is Literal:
        return all(isinstance(value, str | bool | int) for value in inner)
    if origin in (tuple, list) and not in_list:
        return all(_can_be_written(part, in_list=True) for part in inner if part is not ...)
    return annotation in (bool, int, float, str, NoneType)


@functools.cache
def written_type(cls: type[TrainerSettings]) -> type[Model]:
    """What a study file may say of a trainer's settings: each may be left out."""
    fields: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        if _is_said_otherwise(cls, name):
            continue
        fields[name] = (field.annotation, field)
        if field.is_required():
            said = Field(None, description=field.description, examples=field.examples)
            fields[name] = (Annotated[(field.annotation, *field.metadata)], said)
    return create_model(cls.__name__, __base__=cls.Written, __doc__=cls.__doc__, **fields)


def _is_said_otherwise(cls: type[TrainerSettings], name: str) -> bool:
    """Whether `Written` has a field for a setting, and no class below it has another one."""
    for each in cls.__mro__:
        if "Written" in vars(each) and name in inspect.get_annotations(vars(each)["Written"]):
            return True
        if name in inspect.get_annotations(each):
            return False
    return False


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
    written = check_values(trainer, parameters)
    with _foreign(trainer):
        filled = cls.fill(dict(vars(written)))
        values = {
            name: filled[name]
            for name, field in cls.model_fields.items()
            if not (filled[name] is None and field.is_required())
        }
        return validated(cls, values)


def check_values(trainer: str, parameters: Mapping[str, Any]) -> Model:
    """Validate plain values, each by itself.

    Arguments and errors as for `resolve_settings`.

    Returns:
        What is written, by name: see `TrainerSettings.fill`.
    """
    cls = written_type(settings_class(trainer))
    try:
        with _foreign(trainer):
            return validated(cls, parameters)
    except ConfigError as error:
        said = [_of_setting(each, trainer, cls, parameters.get(each.key)) for each in error.all]
        raise ConfigError.of(said) from None


def _of_setting(error: ConfigError, trainer: str, cls: type[Model], value: Any) -> ConfigError:
    """The same error, where more can be said of it."""
    field, message, hint = cls.model_fields.get(error.key), error.message, error.hint
    if message == "unknown key":
        message = f"trainer {trainer!r} has no setting {error.key!r}"
    elif isinstance(value, list) and field and _can_be_written(field.annotation, in_list=True):
        hint = f"to try each: {error.key}: {{values: {value}}}"
    return ConfigError(message, key=error.key, hint=hint)


@contextmanager
def _foreign(trainer: str) -> Iterator[None]:
    """Around code that may be the user's own: whatever it raises becomes a ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if not is_path(trainer):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"the Settings of {trainer} raise {type(error).__name__}: {error} "
            f"({last.filename}:{last.lineno})",
            hint="fill returns all settings, contradictions yields errors, and validators of "
            "pydantic raise ValueError",
        ) from error


def settings_from_dict(trainer: str, values: Mapping[str, Any]) -> TrainerSettings:
    """The inverse of `settings_to_dict`, also for what an earlier version wrote.

    A setting that such a version did not have is what trials were then trained with, which need
    not be what a study file means today that does not mention it (`changed_defaults`).

    Raises:
        ConfigError: as for `resolve_settings`.
    """
    cls = settings_class(trainer)
    with _foreign(trainer):
        return validated(cls, values)


def changed_defaults(trainer: str) -> dict[str, Any]:
    """Settings whose default is another one in study files than in older records: the older one."""
    cls = settings_class(trainer)
    of_file = written_fields(cls)
    return {
        name: field.default
        for name, field in cls.model_fields.items()
        if IMPLIED in field.metadata and of_file[name].default != field.default
    }


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
