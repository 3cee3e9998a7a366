"""The forms in which a study file gives a parameter its values."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from introsearch.errors import ConfigError, nearest_hint
from introsearch.settings.model import Number, Section, validated
from introsearch.study.parameters import Distribution, Parameter

_FORMS = (
    "write a constant, {values: [...]}, {distribution: ..., min: ..., max: ...}, "
    "{times: other, values: [...]} or {by: other, values: {...}}"
)


def _constant(value: Any) -> Any:
    """What can be a setting: a scalar or a list of scalars."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) for item in items):
        raise ConfigError(f"must be a value or a list of values, not {value!r}", hint=_FORMS)
    return value


_Constant = Annotated[Any, AfterValidator(_constant)]


class Values(Section):
    """Candidates that are tried one by one."""

    times: str | None = Field(
        None, description="name of a parameter that every candidate is multiplied with"
    )
    values: list[_Constant] = Field(
        min_length=1, description="candidates, tried one by one", examples=["[0.1, 0.2]"]
    )


class Draws(Section):
    """A distribution that candidates are drawn from."""

    times: str | None = Field(
        None, description="name of a parameter that every candidate is multiplied with"
    )
    distribution: Distribution = Field(
        description="name of the distribution that candidates are drawn from"
    )
    min: Number = Field(description="its lower bound, in value space", examples=["0.1"])
    max: Number = Field(description="its upper bound, in value space", examples=["1.0"])

    def contradictions(self) -> Iterator[ConfigError]:
        if self.min >= self.max:
            message = f"must be above min: {self.min:g}, not {self.max:g}"
            yield ConfigError(message, key="max", hint="exchange min and max")
        if self.distribution == "log_uniform" and self.min <= 0:
            message = f"must be above 0, not {self.min:g}"
            yield ConfigError(message, key="min", hint="0 has no logarithm; or use uniform")
        for name, bound in (("min", self.min), ("max", self.max)):
            if self.distribution == "int_uniform" and not bound.is_integer():
                message = f"must be a whole number, not {bound!r}"
                yield ConfigError(message, key=name, hint="or use uniform")


class Lookup(Section):
    """A table in which the value of another parameter looks this one's up."""

    by: str = Field(description="name of a parameter whose value looks this one up")
    values: dict[str, _Constant] = Field(
        min_length=1, description="from each value of that parameter to this one's"
    )


_WORDS = {*Values.model_fields, *Draws.model_fields, *Lookup.model_fields}


def _read(raw: Any) -> Parameter:
    """A parameter from what a file says of it.

    Raises:
        ConfigError: an unknown key, no values, bounds out of order, or a mixture of forms.
    """
    if isinstance(raw, Parameter):
        return raw
    if not isinstance(raw, Mapping):
        return Parameter(values=(_constant(raw),))
    if unknown := [name for name in raw if name not in _WORDS]:
        raise ConfigError.of(
            ConfigError("unknown key", key=name, hint=nearest_hint(name, _WORDS))
            for name in unknown
        )
    if ("values" in raw) == ("distribution" in raw):
        raise ConfigError("needs either values or a distribution", hint=_FORMS)
    form: type[Lookup | Draws | Values] = (
        Lookup if "by" in raw else Draws if "distribution" in raw else Values
    )
    for name in raw:
        if name in _WORDS - form.model_fields.keys():
            word = "values" if form is Values else "by" if form is Lookup else "distribution"
            raise ConfigError(f"has no meaning beside {word}", key=name, hint=_FORMS)
    try:
        return _parameter(validated(form, raw))
    except ConfigError as error:
        raise ConfigError.of(
            ConfigError(each.message, key=each.key, hint=each.hint or _FORMS) for each in error.all
        ) from None


def _parameter(form: Values | Draws | Lookup) -> Parameter:
    if isinstance(form, Lookup):
        return Parameter(by=form.by, table=form.values)
    if isinstance(form, Values):
        return Parameter(values=tuple(form.values), times=form.times)
    number = int if form.distribution == "int_uniform" else float
    return Parameter(
        distribution=form.distribution, min=number(form.min), max=number(form.max), times=form.times
    )


ParameterInFile = Annotated[Parameter, PlainValidator(_read)]
