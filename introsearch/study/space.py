"""What a study searches: parameters, variants, and the trainers that understand them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator

from introsearch.errors import ConfigError
from introsearch.settings.base import settings_class
from introsearch.settings.model import Model, Section, registered
from introsearch.study.forms import ParameterInFile
from introsearch.study.parameters import Parameter

VARIANT_NAME = r"[A-Za-z0-9_+-]+"


def _with_settings(trainer: str) -> str:
    settings_class(trainer)
    return trainer


TrainerName = Annotated[str, *registered("trainer"), AfterValidator(_with_settings)]


class Variant(Model):
    """A column of the table: what differs from the common parameters.

    Its parameters replace common ones, or are added to them; None removes a common one.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ParameterInFile | None]

    trainer: TrainerName | None = Field(
        None, description="another trainer than the study's", examples=["vae"]
    )

    @property
    def parameters(self) -> Mapping[str, Parameter | None]:
        """What differs, by name."""
        return self.__pydantic_extra__

    def to_spec(self) -> dict[str, Any]:
        """This variant as it is written in a study file."""
        spec = {k: None if v is None else v.to_spec() for k, v in self.parameters.items()}
        return spec if self.trainer is None else {"trainer": self.trainer, **spec}


def named(pattern: str, what: str, *, hint: str) -> BeforeValidator:
    """Refuses what does not match a regular expression, and so cannot name something."""

    def check(name: Any) -> Any:
        if not isinstance(name, str) or not re.fullmatch(pattern, name):
            raise ConfigError(f"{name!r} cannot name a {what}", hint=hint)
        return name

    return BeforeValidator(
        check, json_schema_input_type=Annotated[str, Field(pattern=f"^{pattern}$")]
    )


def _without_null(parameters: Any) -> Any:
    if not isinstance(parameters, Mapping):
        return parameters
    return {name: value for name, value in parameters.items() if value is not None}


class SearchSpace(Section):
    """What is searched, and by which trainers."""

    trainer: TrainerName = Field(
        description="the trainer of all variants that name no other", examples=["sintrovae"]
    )
    parameters: Annotated[dict[str, ParameterInFile], BeforeValidator(_without_null)] = Field(
        description="common parameters by name", examples=["{dataset: rings, ...}"]
    )
    variants: dict[
        Annotated[str, named(VARIANT_NAME, "variant", hint="letters, digits, '_', '+' and '-'")],
        Annotated[Variant, BeforeValidator(lambda raw: {} if raw is None else raw)],
    ] = Field(
        default_factory=dict,
        validate_default=True,
        description="variants by name, the columns of the table",
    )

    @field_validator("variants", mode="after")
    @classmethod
    def _at_least_one(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        return variants or {"default": Variant()}

    def trainer_of(self, variant: str) -> str:
        """The trainer of a variant."""
        return self.variants[variant].trainer or self.trainer

    def parameters_of(self, variant: str) -> dict[str, Parameter]:
        """All parameters of a variant."""
        merged = {**self.parameters, **self.variants[variant].parameters}
        return {name: parameter for name, parameter in merged.items() if parameter is not None}
