"""What README shows really runs."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from introsearch.cluster.schema import cluster_reference
from introsearch.errors import ConfigError
from introsearch.study.file.document import read_document
from introsearch.study.file.loader import load_study
from introsearch.study.file.schema import study_reference, study_schema
from introsearch.study.search.expand import expand, select_trials
from introsearch.study.sections import Resources
from introsearch.trial.order import order_of
from introsearch.trial.run import TrialRun

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SHORT = (
    "iterations=20",
    "warmup_iterations=4",
    "handover_iterations=2",
    "hidden_units=8",
    "batch_size=8",
    "num_draws=2",
    "evaluate_every=10",
    "variants.ip.components=2",
)


def block(start: str, language: str) -> str:
    """The first code block of a language after some words."""
    found = re.search(rf"```{language}\n(.*?)```", README[README.index(start) :], re.S)
    assert found is not None
    return found[1]


@pytest.fixture
def moons(tmp_path: Path) -> Path:
    sys.modules.pop("moons", None)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "moons.py").write_text(block("in `moons.py`", "python"))
    (folder / "moons.yaml").write_text(block("and `moons.yaml`", "yaml"))
    return folder / "moons.yaml"


def test_a_trial_of_the_example_trains(moons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    study = load_study(moons, overrides=SHORT)
    trial = select_trials(study, expand(study))[0]
    assert trial.configuration.settings["dataset"] == "moons:Moons"
    run = TrialRun(order_of(study, trial, resources=Resources(), folder=""))
    assert 0 < run.step().metrics["moons:distance"] < 10
    real = run.trainer.dataset.sample(1000, run.trainer.streams["data"])
    assert real.abs().max() < 2.0


def test_its_study_files_are_legal(moons: Path, tmp_path: Path) -> None:
    (tmp_path / "rings.yaml").write_text(block("## A study file", "yaml"))
    assert load_study(tmp_path / "rings.yaml").name == "rings-prior"
    for path in (tmp_path / "rings.yaml", moons):
        assert not list(Draft202012Validator(study_schema()).iter_errors(read_document(path).data))


@pytest.fixture
def free_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of the trainer that README shows."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("free_bits", None)
    (tmp_path / "free_bits.py").write_text(block("In `free_bits.py`", "python"))
    study = tmp_path / "study.yaml"
    study.write_text(
        "trainer: free_bits:FreeBits\nmetric: {name: hist_kl}\ngroups: [variant]\n"
        "seeds: {select: [0], report: [1]}\nparameters: {dataset: rings, free_nats: 100}\n"
    )
    return study


def test_a_trainer_of_ones_own_trains(free_bits: Path) -> None:
    study = load_study(free_bits, overrides=[*SHORT[:1], *SHORT[3:5], SHORT[6]])
    trial = select_trials(study, expand(study))[0]
    assert trial.configuration.settings["free_nats"] == 100.0
    run = TrialRun(order_of(study, trial, resources=Resources(), folder=""))
    assert run.step().metrics["loss/kl"] == 100.0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("free_nats=-1", "must be a finite number of at least 0, not -1"),
        ("free_nuts=1", "did you mean 'free_nats'?"),
        ("beta_kl=0", "has no effect with beta_kl: 0"),
    ],
)
def test_settings_of_ones_own_are_checked(free_bits: Path, override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_study(free_bits, overrides=[override])


@pytest.mark.parametrize(
    ("name", "text"), [("study-files", study_reference()), ("cluster-files", cluster_reference())]
)
def test_the_reference_is_what_is_checked(name: str, text: str) -> None:
    """After a change: `introsearch schema study --markdown > docs/study-files.md`."""
    page = Path(__file__).parents[1] / "docs" / f"{name}.md"
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_the_example_runs_from_any_folder(moons: Path, tmp_path: Path) -> None:
    def introsearch(*arguments: str, cwd: Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "introsearch", *arguments, "--runs-dir", str(tmp_path / "runs")],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    settings = [word for override in SHORT for word in ("--set", override)]
    text = introsearch("run", str(moons), "--cluster", "inline", *settings, cwd=tmp_path)
    table = introsearch("report", "moons", "--format", "csv", cwd=Path("/"))
    assert "moons:distance" in text
    rows = list(csv.DictReader(table.splitlines()))
    mine = [row for row in rows if row["metric"] == "moons:distance"]
    assert [row["n"] for row in mine] == ["2", "2"]
    assert all(float(row["mean"]) > 0 for row in mine)
