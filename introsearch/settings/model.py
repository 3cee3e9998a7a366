"""What all settings are made of: strict pydantic models, and the types that YAML needs beside."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from introsearch.errors import ConfigError
from introsearch.extensions import KINDS, check_name
from introsearch.settings.refusals import refusals
from introsearch.settings.schema import NULL_LEAVES_OUT, own_path, schema_of

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Model(BaseModel):
    """Settings: frozen, without unknown keys, and without values of another type than declared."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True
    )

    def contradictions(self) -> Iterator[ConfigError]:
        """What no single field can say: every contradiction; the `key` of each is a field."""
        yield from ()

    def changed(self, **values: Any) -> Self:
        """The same with other values of some settings.

        Raises:
            ConfigError: they are not legal.
        """
        return validated(type(self), vars(self) | values)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if found := list(self.contradictions()):
            raise ConfigError.of(found)
        return self


class Section(Model):
    """A mapping inside a file. A key without a value (null) is as if it was left out."""

    model_config = ConfigDict(json_schema_extra={NULL_LEAVES_OUT: True})

    @model_validator(mode="before")
    @classmethod
    def _leave_out_null(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return {} if data is None else data
        fields = cls.model_fields
        return {name: v for name, v in data.items() if v is not None or name not in fields}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Strictness would refuse what YAML writes for them: whole numbers accept 1e3, tuples accept lists,
# and numbers accept whole ones, as pydantic's strict floats do by themselves.
Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, Strict()]
Many = Annotated[tuple[T, ...], Strict(False)]


def registered(
    kind: str, *, only: tuple[str, ...] | None = None
) -> tuple[PlainValidator, WithJsonSchema]:
    """What makes a field the name of an extension: a registered one, or the user's dotted path.

    It stands in an annotation: ``Annotated[str, *registered("dataset")]``.

    Args:
        kind: a key of `extensions.KINDS`.
        only: the registered names that are legal; all of them unless given.
    """

    def check(name: object) -> object:
        try:
            check_name(kind, name, only=only)
        except ConfigError as error:
            raise ConfigError(error.message, hint=error.hint) from error
        return name

    names = KINDS[kind].names if only is None else only
    schema = {"anyOf": [{"enum": list(names)}, own_path(kind)]}
    return PlainValidator(check), WithJsonSchema(schema)


class _Implied:
    """Leaves a field's default out of what a trial is identified by.

    Trials that know nothing of the field are trained with its default, so a field that is added
    later keeps their identities.
    """


IMPLIED: Final = _Implied()


def validated(cls: type[M], data: Any, *, context: Mapping[str, Any] | None = None) -> M:
    """`data` as a model.

    Args:
        cls: the model.
        data: plain values by name.
        context: as for pydantic's ``model_validate``.

    Raises:
        ConfigError: for all that is wrong with it, with keys dotted from the root of `data`.
    """
    try:
        return cls.model_validate(data, context=context)
    except ValidationError as error:
        raise ConfigError.of(refusals(error, schema_of(cls), data)) from None
