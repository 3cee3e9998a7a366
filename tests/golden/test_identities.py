"""The same settings have the same name as ever: else all that is recorded would run again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from introsearch.editions import CURRENT, FIRST
from introsearch.settings.base import changed_defaults, resolve_settings, settings_to_dict
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
    """As it was begun by version 0.1."""
    members = expand(load_study(STUDIES / name, edition=FIRST)).members
    found = {group: [c.id for c in configurations] for group, configurations in members.items()}
    assert list(found) == list(GOLDEN[name])  # the order of tables
    for group, identities in GOLDEN[name].items():
        assert found[group] == identities, group


# Of all names of the current edition, in their order.
DIGESTS = {
    "2d_best.yaml": "87bf9b9ce162",
    "2d_grid.yaml": "e3028719938e",
    "2d_tpe.yaml": "bce61417d547",
    "clipping.yaml": "7d002edf41ed",
    "collapse_cvae_correlation.yaml": "0bc7312e324a",
    "collapse_cvae_images.yaml": "7a8c95120c3e",
    "collapse_hvae.yaml": "4347d07f7e9b",
    "collapse_linear.yaml": "ef887d30d22c",
    "digits_quick.yaml": "e2696b74f5ad",
    "evalp_ablations.yaml": "90b80242792d",
    "evalp_digits.yaml": "2db6662c73da",
    "evalp_images.yaml": "b87ddd35d16a",
    "evalp_prior_hole.yaml": "72b713a15f6e",
    "evalp_toy.yaml": "30f6f3afe49d",
    "images_entropy.yaml": "8aac35f83f03",
    "latent_priors.yaml": "dbeac2414418",
    "proposition1.yaml": "99176ad59f7f",
    "quickstart.yaml": "2dfe6b70fb7e",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_names_of_the_current_edition(name):
    """Other than before where a default has changed, and the same from now on."""
    members = expand(load_study(STUDIES / name)).members
    found = {group: [c.id for c in configurations] for group, configurations in members.items()}
    digest = hashlib.sha256(json.dumps(found).encode()).hexdigest()[:12]
    assert digest == DIGESTS[name], f"of edition {CURRENT}"


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
    settings = resolve_settings(trainer, {**changed_defaults(trainer), **parameters})
    assert identity(trainer, settings_to_dict(settings)) == expected
