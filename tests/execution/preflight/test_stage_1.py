"""A study that builds on finished trials: what cannot be is refused before anything starts."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from introsearch import files
from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.files import checkpoint_path, write_atomically
from introsearch.record import tags
from introsearch.record.recorder import Recorder, open_recorder
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand, report_trials
from introsearch.trial.evaluation import Evaluation
from tests.conftest import close, open_quickly

FIRST = """\
name: first
trainer: vae
metric: {name: fid_gen}
groups: [variant]
seeds: {select: [], report: [1, 2]}
parameters:
  {dataset: digits, train_images: 100, num_samples: 50, latent_dim: 3, channels: [4, 8],
   batch_size: 20, iterations: 4}
variants: {vae: {}}
evaluate_every: 4
resources: {cpus: 1, gpus: 0}
"""
SECOND = """\
name: second
trainer: latent_flow
metric: {name: mmd_latent}
groups: [variant]
seeds: {select: [], report: [1, 2]}
parameters:
  {dataset: digits, train_images: 100, num_samples: 50, latent_dim: 3, batch_size: 20}
variants:
  flow: {iterations: 3, stage1_trial: TRIAL}
evaluate_every: 3
resources: {cpus: 1, gpus: 0}
"""


class Site:
    """A folder with a record of the study `first`, and the study file of `second`."""

    def __init__(self, folder: Path, client: MlflowClient) -> None:
        self.folder, self.client = folder, client
        self.study = self._load("first", FIRST)
        self.trials = _reported(self.study)
        text = SECOND.replace("TRIAL", self.trials[0].configuration.id)
        (folder / "second.yaml").write_text(text)
        self.recorder: Recorder | None = None

    def _load(self, name: str, text: str) -> Study:
        (self.folder / f"{name}.yaml").write_text(text)
        return load_study(self.folder / f"{name}.yaml")

    def end(self, trial: Trial, status: str, *, reason: str = "") -> None:
        self.recorder = self.recorder or open_recorder(self.client, self.study, folder=self.folder)
        self.recorder.start(trial)
        self.recorder.end(trial, status, reason=reason)

    def keep(self, trial: Trial, *, status: str = "finished", **changes: Any) -> Path:
        """A checkpoint that says what it is of, without a model."""
        evaluation = Evaluation(iteration=4, status=status, timestamp_ms=0, seconds=0.0)
        what = {
            "trainer": trial.configuration.trainer,
            "settings": {**trial.configuration.settings, **changes},
            "seed": trial.seed,
        }
        buffer = io.BytesIO()
        content = {"what": what, "trainer": {}, "evaluations": [vars(evaluation)]}
        torch.save(content, buffer)
        path = checkpoint_path(self.folder / "runs" / "first", trial.name)
        write_atomically(path, buffer.getvalue())
        return path


def _reported(study: Study) -> list[Trial]:
    expansion = expand(study)
    chosen = {group: members[0].id for group, members in expansion.members.items()}
    return list(report_trials(study, expansion, chosen))


@pytest.fixture
def site(tmp_path: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(files, "_runs_folder", files.runs_folder())
    return Site(tmp_path, client)


def planned(site: Site, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    files = ["--runs-dir", str(site.folder / "runs"), "--tracking-uri", site.client.tracking_uri]
    code = main(["plan", str(site.folder / "second.yaml"), *files, *options])
    return code, capsys.readouterr().err


def refused(site: Site, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    code, text = planned(site, capsys, *options)
    assert code == EXIT_BAD_INPUT
    if not options:
        assert text.startswith(f"error: {site.folder}/second.yaml:9: variants.flow.stage1_trial: ")
    assert "hint: " in text
    return text


def test_finished_trials_with_checkpoints_are_taken(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for trial in site.trials:
        site.keep(trial)
    assert planned(site, capsys) == (EXIT_DONE, "")


def test_no_such_trial(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"has a trial {site.trials[0].name}" in refused(site, capsys)
    site.keep(site.trials[0])
    text = refused(site, capsys)
    assert f"has a trial {site.trials[1].name}" in text
    assert site.trials[0].name in text


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.FAILED, Status.STOPPED])
def test_a_trial_that_ended_otherwise(
    site: Site, status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site.end(site.trials[0], status, reason="bad luck")
    text = refused(site, capsys)
    assert f"{site.trials[0].name} of the study first has not finished: it is {status}" in text
    assert "bad luck" in text


def test_a_trial_that_still_runs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.keep(site.trials[0], status="running")
    assert "has not finished: running at iteration 4" in refused(site, capsys)


def test_a_checkpoint_that_was_deleted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.end(site.trials[0], Status.FINISHED)
    text = refused(site, capsys)
    path = checkpoint_path(site.folder / "runs" / "first", site.trials[0].name)
    assert f"has finished, but its checkpoint {path} is not there" in text
    assert "--name" in text


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"latent_dim": 5}, "latent_dim: 5, and this one 3"),
        ({"dataset": "mnist"}, "dataset: mnist, and this one digits"),
        ({"train_images": 90, "num_samples": 50}, "train_images: 90, and this one 100"),
    ],
)
def test_a_trial_of_another_kind(
    site: Site, changes: dict[str, Any], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for trial in site.trials:
        site.keep(trial, **changes)
    assert word in refused(site, capsys)


def test_a_name_on_the_command_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.keep(site.trials[0])
    text = refused(site, capsys, "--set", "variants.flow.stage1_trial=000000000000-s1")
    assert text.startswith("error: --set: variants.flow.stage1_trial: no study in")


def test_run_checks_as_well_and_starts_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = site.folder / "runs"
    assert main(["run", str(site.folder / "second.yaml"), "--runs-dir", str(runs)]) == 2
    assert "variants.flow.stage1_trial: no study in" in capsys.readouterr().err
    assert not runs.exists()


@pytest.mark.slow
def test_a_study_builds_on_another_and_its_trials_can_be_replayed(site: Site) -> None:
    def introsearch(*arguments: str) -> str:
        files = ["--runs-dir", str(site.folder / "runs")]
        command = [sys.executable, "-m", "introsearch", *arguments, *files]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == EXIT_DONE, done.stdout + done.stderr
        return done.stdout

    for name in ("first", "second"):
        introsearch("run", str(site.folder / f"{name}.yaml"), "--cluster", "inline")
    client = open_quickly(site.folder / "runs" / "mlflow.db")
    runs = client.search_runs(["2"], f"tags.`{tags.LEVEL}` = 'seed'")
    (run,) = [r for r in runs if r.data.params["seed"] == "2" and "flow" in r.data.tags["variant"]]
    close(client)
    assert run.data.params["stage1_trial"] == site.trials[0].configuration.id
    assert "It matches exactly." in introsearch("replay", run.info.run_id)
