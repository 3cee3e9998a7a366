"""Which plain values of YAML each key accepts, and what they become: as they always did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from introsearch.cluster.file import SlurmCluster
from introsearch.errors import ConfigError
from introsearch.registry import TRAINERS
from introsearch.settings.base import check_values, settings_class, written_fields
from introsearch.settings.model import validated
from introsearch.study.file.document import parse_value
from introsearch.study.model import Study
from introsearch.study.sections import Budget, EarlyTermination, Metric, Resources, Seeds, Tpe

# By class and key, of every value that is accepted: what it becomes. A setting that differs between
# trainers is listed for each.
ACCEPTED = json.loads((Path(__file__).parent / "accepted.json").read_text(encoding="utf-8"))
PROBES = {text: parse_value(text, file="probe") for text in ACCEPTED["probes"]}
SECTIONS = (Budget, Resources, Tpe, EarlyTermination, Seeds, Metric, Study, SlurmCluster)


def row_of(trainer: str, setting: str) -> dict[str, Any]:
    (row,) = (
        row
        for name, row in ACCEPTED["settings"].items()
        if name == setting
        or (name.startswith(f"{setting} of ") and trainer in name.split(" of ")[1].split(", "))
    )
    return row


@pytest.mark.parametrize("trainer", TRAINERS)
def test_settings(trainer: str) -> None:
    for setting in written_fields(settings_class(trainer)):
        accepted = {}
        for text, value in PROBES.items():
            try:
                accepted[text] = plain(getattr(check_values(trainer, {setting: value}), setting))
            except ConfigError:
                continue
        assert_same(accepted, row_of(trainer, setting))


@pytest.mark.parametrize("cls", SECTIONS, ids=lambda cls: cls.__name__)
def test_sections(cls: type[BaseModel]) -> None:
    """Whatever else is wrong with the section, as a key that it lacks."""
    for key, row in ACCEPTED[cls.__name__].items():
        accepted = [text for text, value in PROBES.items() if not is_refused(cls, key, value)]
        assert accepted == list(row), key


@pytest.mark.parametrize("cls", [Budget, Resources, Tpe], ids=lambda cls: cls.__name__)
def test_values_of_sections(cls: type[BaseModel]) -> None:
    for key, row in ACCEPTED[cls.__name__].items():
        assert {text: getattr(validated(cls, {key: PROBES[text]}), key) for text in row} == row


def is_refused(cls: type[BaseModel], key: str, value: Any) -> bool:
    if value is None and cls.model_fields[key].is_required():
        return True
    try:
        validated(cls, {key: value})
    except ConfigError as error:
        beyond = ("wall time", "contradicts", "select the winners", "is missing", "given beside")
        return any(
            each.key.startswith(key) and not any(words in each.message for words in beyond)
            for each in error.all
        )
    return False


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Types too, which are part of an identity: 1 is not 1.0."""
    assert repr(found) == repr(wanted)
