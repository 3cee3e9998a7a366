"""A setting that is added later leaves the identities of earlier trials as they are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from introsearch.errors import ConfigError
from introsearch.settings import base
from introsearch.settings.base import TrainerSettings, resolve_settings, settings_to_dict
from introsearch.settings.fields import bounded, choice, plain, registered
from introsearch.study.identity import identity


@dataclass(frozen=True, kw_only=True)
class Before(TrainerSettings):
    """Of trials that were recorded."""

    rate: float = bounded(0.1, above=0.0)
    layers: tuple[int, ...] = (4, 4)


@dataclass(frozen=True, kw_only=True)
class After(Before):
    """The same trainer, later."""

    steps: int = bounded(3, low=1, implied=True)
    decay: float = bounded(1.0, low=0.0, implied=True)
    zero: float = bounded(0.0, implied=True)
    shuffle: bool = plain(True, implied=True)
    widths: tuple[int, ...] = plain((8, 8), implied=True)
    scales: tuple[float, ...] = bounded((1.0,), above=0.0, implied=True)
    limit: int | None = plain(None, implied=True)
    patience: int | None = bounded(5, low=0, implied=True)
    note: str = plain("", implied=True)
    schedule: str = choice("constant", legal=("constant", "cosine"), implied=True)
    second_dataset: str = registered("rings", kind="dataset", implied=True)


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
    added = {f.name for f in dataclasses.fields(After)} - {
        f.name for f in dataclasses.fields(Before)
    }
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: bounded(low=1, implied=True),
        lambda: choice(legal=("a",), implied=True),
        lambda: registered(kind="dataset", implied=True),
    ],
)
def test_there_must_be_a_default_to_imply(make):
    with pytest.raises(TypeError, match="without a default"):
        make()
