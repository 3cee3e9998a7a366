"""The same settings have the same name as ever: else all that is recorded would run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.study.file.loader import load_study
from introsearch.study.identity import identity
from introsearch.study.search.expand import expand

STUDIES = Path(__file__).parents[2] / "search_spaces"
GOLDEN: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "identities.json").read_text()
)


def test_every_shipped_study_is_held_and_no_other():
    assert {path.name for path in STUDIES.iterdir()} == GOLDEN.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_configurations_of_a_shipped_study_keep_their_names_and_order(name):
    members = expand(load_study(STUDIES / name)).members
    found = {group: [c.id for c in configurations] for group, configurations in members.items()}
    assert list(found) == list(GOLDEN[name])  # the order of tables
    for group, identities in GOLDEN[name].items():
        assert found[group] == identities, group


MIXTURE = {"dataset": "rings", "prior": "mog", "components": 8}
NEURAL = {"activation": "relu", "hidden_units": 3}


@pytest.mark.parametrize(
    ("trainer", "parameters", "expected"),
    [
        # At their defaults, said or not, implied settings are no part of the name.
        ("sintrovae", MIXTURE, "9d6617bb7b4c"),
        ("sintrovae", {**MIXTURE, "precision": "float32", "compile": False}, "9d6617bb7b4c"),
        ("vae", {"dataset": "digits"}, "f2c4af7880b3"),
        ("vae", {"dataset": "digits", "precision": "float32"}, "f2c4af7880b3"),
        ("vae", {"dataset": "digits", "compile": False}, "f2c4af7880b3"),
        ("evalp", {"dataset": "digits"}, "3aa1a56cb1b4"),
        ("evalp", {"dataset": "digits", "precision": "float32"}, "3aa1a56cb1b4"),
        ("collapse_vae", NEURAL, "bf6e8d194d0e"),
        ("collapse_vae", {**NEURAL, "variance": "learnt"}, "bf6e8d194d0e"),
        # Other values are.
        ("sintrovae", {**MIXTURE, "precision": "tf32"}, "43501988a74b"),
        ("vae", {"dataset": "digits", "precision": "tf32"}, "bc2a79e114dd"),
        ("vae", {"dataset": "digits", "precision": "bf16"}, "17a605009da5"),
        ("vae", {"dataset": "digits", "compile": "auto"}, "bdd07b73ea11"),
        ("vae", {"dataset": "digits", "precision": "bf16", "compile": "auto"}, "77f57c247606"),
        ("sintrovae", {"dataset": "digits", "compile": True}, "ea61ada311c8"),
        ("evalp", {"dataset": "digits", "precision": "tf32"}, "21d88729dcc8"),
        ("collapse_vae", {**NEURAL, "variance": "amortised"}, "0d02982b83d1"),
    ],
)
def test_implied_settings_keep_their_part_in_names(trainer, parameters, expected):
    assert identity(trainer, settings_to_dict(resolve_settings(trainer, parameters))) == expected
