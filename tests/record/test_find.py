"""A trial is found by its name, a start of it, or its run's id; else told what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.errors import ConfigError
from introsearch.record.find import find_trial
from introsearch.record.recorder import Recorder, open_recorder
from introsearch.study.file.loader import load_study
from introsearch.study.model import Trial
from introsearch.study.search.expand import expand, select_trials

STUDY = """\
trainer: vae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [1, 10], report: [2]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2]}
variants:
  sg: {prior: gaussian}
"""


def record_study(client: MlflowClient, folder: Path, name: str) -> tuple[Recorder, list[Trial]]:
    path = folder / "study.yaml"
    path.write_text(STUDY)
    study = load_study(path, name=name)
    recorder = open_recorder(client, study, folder=folder / name)
    trials = list(select_trials(study, expand(study)))
    for trial in trials:
        recorder.start(trial)
    return recorder, trials


def test_by_name_start_and_run_id(client: MlflowClient, tmp_path: Path) -> None:
    recorder, trials = record_study(client, tmp_path, "one")
    for trial in trials:
        run_id = recorder.trials[trial.name].run_id
        for text in (trial.name, run_id):
            run = find_trial(client, text)
            assert (run.run_id, run.entry.name) == (run_id, trial.name), text
    ten = next(t for t in trials if t.seed == 10)
    assert find_trial(client, ten.name).entry.name == ten.name
    assert find_trial(client, ten.name.replace("-s10", "-s1")).entry.name.endswith("-s1")


def test_an_ambiguous_start_names_the_candidates(client: MlflowClient, tmp_path: Path) -> None:
    _, trials = record_study(client, tmp_path, "one")
    config_id = trials[0].configuration.id
    with pytest.raises(ConfigError) as caught:
        find_trial(client, config_id[:5])
    assert caught.value.message == f"2 trials start with {config_id[:5]!r}"
    assert f"{config_id}-s1, {config_id}-s10" in caught.value.hint
    assert find_trial(client, f"{config_id}-s10").entry.name == f"{config_id}-s10"


@pytest.mark.parametrize("text", ["%", "zzz", "", "a' OR '1'='1", "0" * 32, "s0", "-s1"])
def test_what_is_no_name_finds_nothing(client: MlflowClient, tmp_path: Path, text: str) -> None:
    record_study(client, tmp_path, "one")
    with pytest.raises(ConfigError) as caught:
        find_trial(client, text)
    assert "--trials" in caught.value.hint


def test_the_nearest_names_are_told(client: MlflowClient, tmp_path: Path) -> None:
    _, trials = record_study(client, tmp_path, "one")
    name = trials[0].name
    with pytest.raises(ConfigError) as caught:
        find_trial(client, name[:4] + ("0" if name[4] != "0" else "1") + name[5:])
    assert f"did you mean {name}" in caught.value.hint
    with pytest.raises(ConfigError, match="no trial's name starts with") as caught:
        find_trial(client, name + "7")
    assert name in caught.value.hint


def test_two_studies_may_have_the_same_trial(client: MlflowClient, tmp_path: Path) -> None:
    recorders = {name: record_study(client, tmp_path, name)[0] for name in ("one", "two")}
    trial = next(iter(recorders["one"].trials))
    with pytest.raises(ConfigError, match=r"several .* the trial .*: one, two") as caught:
        find_trial(client, trial)
    assert caught.value.hint == "add --study one"
    for name, recorder in recorders.items():
        found = find_trial(client, trial, study=name)
        assert found.run_id == recorder.trials[trial].run_id
    with pytest.raises(ConfigError) as caught:
        find_trial(client, trial, study="tow")
    assert "did you mean 'two'?" in caught.value.hint


def test_a_run_that_is_no_trial_is_refused(client: MlflowClient, tmp_path: Path) -> None:
    recorder, _ = record_study(client, tmp_path, "one")
    with pytest.raises(ConfigError, match="is no trial's but a study run"):
        find_trial(client, recorder.study_run)
