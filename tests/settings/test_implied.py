"""A setting that is added later leaves the identities of earlier trials as they are."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from introsearch.errors import ConfigError
from introsearch.settings import base
from introsearch.settings.base import TrainerSettings, resolve_settings, settings_to_dict
from introsearch.settings.model import IMPLIED, Many, Number, Whole, registered
from introsearch.study.identity import identity


class Before(TrainerSettings):
    """Of trials that were recorded."""

    rate: Number = Field(0.1, gt=0)
    layers: Many[Whole] = (4, 4)


class After(Before):
    """The same trainer, later."""

    steps: Annotated[Whole, IMPLIED] = Field(3, ge=1)
    decay: Annotated[Number, IMPLIED] = Field(1.0, ge=0)
    zero: Annotated[Number, IMPLIED] = 0.0
    shuffle: Annotated[bool, IMPLIED] = True
    widths: Annotated[Many[Whole], IMPLIED] = (8, 8)
    scales: Annotated[Many[Annotated[Number, Field(gt=0)]], IMPLIED] = (1.0,)
    limit: Annotated[Whole | None, IMPLIED] = None
    patience: Annotated[Whole | None, IMPLIED] = Field(5, ge=0)
    note: Annotated[str, IMPLIED] = ""
    schedule: Annotated[Literal["constant", "cosine"], IMPLIED] = "constant"
    second_dataset: Annotated[str, *registered("dataset"), IMPLIED] = "rings"


OTHERS = {
    "steps": 4,
    "decay": 0.5,
    "zero": 1e-9,
    "shuffle": False,
    "widths": [8],
    "scales": [1, 2],
    "limit": 0,
    "patience": None,
    "note": "x",
    "schedule": "cosine",
    "second_dataset": "8gaussians",
}


@pytest.fixture(autouse=True)
def _trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {"before": Before, "after": After}
    monkeypatch.setattr(base, "settings_class", classes.__getitem__)


def identity_of(trainer: str, **parameters: object) -> str:
    """By the name of a trainer that both have."""
    return identity("trainer", settings_to_dict(resolve_settings(trainer, parameters)))


def test_every_kind_of_field_is_tried():
    added = After.model_fields.keys() - Before.model_fields.keys()
    assert added == OTHERS.keys()


def test_defaults_leave_the_identity_as_it_was():
    assert identity_of("after") == identity_of("before")
    assert (
        identity_of("after", rate=0.3) == identity_of("before", rate=0.3) != identity_of("before")
    )


@pytest.mark.parametrize("name", OTHERS)
def test_a_default_that_is_written_out_is_left_out_too(name):
    default = getattr(After(), name)
    written = list(default) if isinstance(default, tuple) else default
    assert identity_of("after", **{name: written}) == identity_of("before")


def test_a_default_may_be_written_as_a_whole_number():
    assert identity_of("after", decay=1, scales=[1], zero=0) == identity_of("before")


@pytest.mark.parametrize(("name", "value"), OTHERS.items())
def test_another_value_is_part_of_the_identity(name, value):
    assert settings_to_dict(resolve_settings("after", {name: value}))[name] == value
    assert identity_of("after", **{name: value}) != identity_of("before")


def test_all_other_values_together_are_told_apart():
    identities = {identity_of("after", **{name: value}) for name, value in OTHERS.items()}
    assert len(identities) == len(OTHERS)


@pytest.mark.parametrize(("name", "value"), OTHERS.items())
def test_settings_come_back_from_what_is_recorded(name, value):
    settings = resolve_settings("after", {name: value})
    assert resolve_settings("after", settings_to_dict(settings)) == settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 0, "at least 1"),
        ("schedule", "linear", "unknown"),
        ("shuffle", 1, "true or false"),
    ],
)
def test_an_implied_field_is_checked_like_any_other(name, value, words):
    with pytest.raises(ConfigError, match=words):
        resolve_settings("after", {name: value})


def test_there_must_be_a_default_to_imply():
    with pytest.raises(TypeError, match="no default"):

        class Odd(TrainerSettings):
            """A setting without a default."""

            must: Annotated[Whole, IMPLIED]
