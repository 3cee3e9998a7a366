"""The schema that editors use accepts what the loader accepts, and catches typical mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from introsearch.cli import main
from introsearch.registry import TRAINERS
from introsearch.settings.base import settings_class, written_fields
from introsearch.study.file.document import parse_value, read_document
from introsearch.study.file.schema import study_schema
from introsearch.study.forms import Draws, Lookup, Values
from introsearch.study.model import Study

SPACES = Path(__file__).parents[3] / "search_spaces"
SCHEMA = study_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def faults(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(parse_value(text, file="x"))]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA, allow_nan=False)) == SCHEMA


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_studies_are_valid(path: Path) -> None:
    assert not list(VALIDATOR.iter_errors(read_document(path).data))


def test_a_written_study_is_valid(small: str, load: Callable[..., Study]) -> None:
    assert not faults(small)
    assert not list(VALIDATOR.iter_errors(load(small).to_dict()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{values: [0.1, 0.3]}", "{distribution: log_uniform, min: 1e-3, max: 10}"),
        ("{values: [0.1, 0.3]}", "{by: dataset, values: {8gaussians: 0.1, rings: 0.2}}"),
        ("values: [1, 3]", "distribution: uniform, min: 1, max: 3"),
        ("iterations: 30000", "iterations: 3e4\n  lr_milestones: [10, 20]"),
        ("iterations: 30000", "lr_milestones: {values: [[10, 20], []]}"),
        ("components: 8", "trainer: vae\n    beta_neg: null"),
        ("components: 8", "components: null"),
        ("prior: gaussian", "prior: my_module:MyPrior"),
        ("[8gaussians, rings]", "[8gaussians, my.module:MyData]"),
        ("trainer: sintrovae", "trainer: my_module:MyTrainer\nmetrics: []"),
        ("name: small", "name: null"),
        ("name: small", "metrics: [{name: my_module:my_metric, goal: minimize}]"),
        ("iterations: 30000", "iterations: 10\ntrainer: my:T\n"),
        ("early_terminate: {type: asha,", "budget:\nearly_terminate: {"),
        ("{name: hist_kl_paper}", "{name: my_module:my_metric, goal: maximize}"),
    ],
)
def test_what_the_loader_accepts_is_valid(old: str, new: str, small: str) -> None:
    assert old in small
    text = small.replace(old, new, 1)
    if new.startswith("iterations: 10"):
        text = text.replace("trainer: sintrovae\n", "")
    assert not faults(text)


@pytest.mark.parametrize("name", sorted(SCHEMA["$defs"]))
def test_every_number_may_be_drawn_and_scaled(name: str) -> None:
    """Those that may be left out too."""
    validator = Draft202012Validator({**SCHEMA["$defs"][name], "$defs": SCHEMA["$defs"]})
    numeric = any(validator.is_valid(value) for value in (3, 0.5))
    forms = (
        {"distribution": "uniform", "min": 0.1, "max": 1},
        {"times": "beta_kl", "values": [1, 2]},
    )
    assert [validator.is_valid(form) for form in forms] == [numeric, numeric]


def test_settings_of_an_own_trainer_are_not_known(small: str) -> None:
    unknown = small.replace("iterations:", "caution:")
    assert faults(unknown)
    assert not faults(unknown.replace("trainer: sintrovae", "trainer: my_module:MyTrainer"))
    assert not faults(unknown.replace("prior: gaussian", "prior: gaussian, trainer: my:T"))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("method: grid", "metod: grid", "'metod' was unexpected"),
        ("eta: 3}", "etta: 3}", "'etta' was unexpected"),
        ("  iterations:", "  iteratons:", "'iteratons' is not one of"),
        ("components: 8", "component: 8", "'component' is not one of"),
        ("{times: beta_kl", "{tims: beta_kl", "not valid under any"),
        ("trainer: sintrovae", "trainer: sintro", "not valid under any"),
        ("trainer: sintrovae", "", "'trainer' is a required property"),
        ("{name: hist_kl_paper}", "{name: hist_kl_papr}", "not valid under any"),
        ("{name: hist_kl_paper}", "{name: my:metric}", "'goal' is a required property"),
        ("{name: hist_kl_paper}", "hist_kl_paper", "is not of type 'object'"),
        ("[8gaussians, rings]", "[8gaussians, ring]", "not valid under any"),
        ("{values: [8gaussians, rings]}", "spirals", "not valid under any"),
        ("[0.1, 0.3]", "[0.1, -0.3]", "not valid under any"),
        ("[0.1, 0.3]", "[0.1, no]", "not valid under any"),
        ("{values: [0.1, 0.3]}", "{distribution: normal, min: 0, max: 1}", "not valid under"),
        ("components: 8", "components: 8.5", "not valid under any"),
        ("components: 8", "beta_neg: yes", "not valid under any"),
        ("intro_prior: true", "intro_prior: 1", "not valid under any"),
        ("select: [0]", "select: 0", "is not of type 'array'"),
        ("select: [0]", "select: [-1]", "less than the minimum"),
        ("eta: 3", "eta: 1", "less than the minimum of 2"),
        ("name: small", "name: ../small", "does not match"),
        ("name: small", "metrics: [{name: hist_kl, goal: minimize}]", "is not valid under any"),
        ("name: small", "evaluate_every: 0", "less than the minimum"),
        ("name: small", "budget: {max_hours: 0}", "less than or equal"),
    ],
)
def test_typical_mistakes_are_caught(old: str, new: str, word: str, small: str) -> None:
    assert old in small
    found = faults(small.replace(old, new, 1))
    assert found
    assert any(word in message for message in found), found


def test_every_key_is_described() -> None:
    assert set(SCHEMA["properties"]) == Study.model_fields.keys()
    assert "early stopping" in SCHEMA["properties"]["early_terminate"]["description"]
    for key, schema in SCHEMA["properties"].items():
        assert schema["description"], key
    for name in TRAINERS:
        for setting in written_fields(settings_class(name)):
            assert SCHEMA["$defs"][setting]["description"], setting
    assert SCHEMA["$defs"]["beta_kl"]["default"] == 1.0
    assert SCHEMA["$defs"]["beta_kl"]["anyOf"][0]["minimum"] == 0


def test_it_knows_every_form_of_a_parameter() -> None:
    forms = [f["properties"] for f in SCHEMA["$defs"]["beta_kl"]["anyOf"] if "properties" in f]
    written = {name for form in forms for name in form}
    assert written == {*Values.model_fields, *Draws.model_fields, *Lookup.model_fields}


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "study"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_the_command_is_light() -> None:
    code = (
        "import sys; from introsearch.cli import main; main(['schema', 'study']);"
        "sys.exit(', '.join({'torch', 'ray', 'mlflow', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
