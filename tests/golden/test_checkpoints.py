"""Checkpoints of an earlier version are gone on with: a study may be interrupted by an upgrade."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from introsearch.extensions import resolve
from introsearch.settings.base import (
    TrainerSettings,
    changed_defaults,
    resolve_settings,
    settings_from_dict,
    settings_to_dict,
)

FOLDER = Path(__file__).parent / "checkpoints"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
SEED, ITERATIONS = 3, 4  # of the trainers, and of those whose losses were noted
TOLERANCE = 1e-3  # relative: other processors round otherwise


def read(name: str) -> dict[str, Any]:
    with gzip.open(FOLDER / f"{name}.pt.gz") as file:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def settings_of(case: dict[str, Any]) -> TrainerSettings:
    """As the parameters were understood then."""
    older = changed_defaults(case["trainer"])
    return resolve_settings(case["trainer"], {**older, **case["parameters"]})


def test_every_checkpoint_is_tried():
    assert {path.name.removesuffix(".pt.gz") for path in FOLDER.glob("*.pt.gz")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_parameters_resolve_to_the_settings_of_then(name):
    case = EXPECTED[name]
    assert settings_to_dict(settings_of(case)) == case["settings"]
    assert settings_from_dict(case["trainer"], case["settings"]) == settings_of(case)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_checkpoint_goes_on_with_the_same_losses(name):
    case = EXPECTED[name]
    settings = settings_of(case)
    trainer = resolve("trainer", case["trainer"])(settings, seed=SEED)
    trainer.load_state_dict(read(name)["trainer"])
    losses = trainer.advance(ITERATIONS)
    assert losses == pytest.approx(case["losses"], rel=TOLERANCE)


@pytest.mark.parametrize("name", EXPECTED)
def test_all_of_a_checkpoint_is_taken_over(name):
    case = EXPECTED[name]
    settings = settings_of(case)
    trainer = resolve("trainer", case["trainer"])(settings, seed=SEED)
    saved = read(name)["trainer"]
    assert not _same(trainer.state_dict(), saved)
    trainer.load_state_dict(saved)
    assert _same(trainer.state_dict(), saved)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
