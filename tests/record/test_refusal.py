"""An edited study against its record: refused before anything is written, or let through."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.editions import FIRST
from introsearch.errors import ConfigError
from introsearch.record import artifacts, tags
from introsearch.record.recorder import Recorder, open_recorder
from introsearch.record.refusal import refuse_edit
from introsearch.record.results import as_begun, read_result, read_study, study_run
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, select_trials

STUDY = """\
name: edited
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.3]}
  iterations: 1000
  warmup_iterations: 200
  lr_milestones: []
variants: {sg: {prior: gaussian}}
early_terminate: {type: asha, min_iter: 300, max_iter: 1000, eta: 2}
evaluate_every: 100
"""


def load(folder: Path, old: str = "", new: str = "") -> Study:
    path = folder / "study.yaml"
    path.write_text(STUDY.replace(old, new, 1))
    return load_study(path)


def run_all(client: MlflowClient, study: Study, folder: Path, *, status: str) -> Recorder:
    recorder = open_recorder(client, study, folder=folder / study.name)
    for trial in select_trials(study, expand(study)):
        recorder.start(trial)
        recorder.end(trial, status)
    return recorder


def everything(client: MlflowClient) -> object:
    run = study_run(client, "edited")
    with artifacts.fetched(client, run, artifacts.STUDY) as path:
        return run.data.tags, run.info.status, path.read_text()


def test_a_new_study_is_let_through(client: MlflowClient, tmp_path: Path) -> None:
    refuse_edit(client, load(tmp_path))
    assert [e.name for e in client.search_experiments()] == ["Default"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("iterations: 1000", "iterations: 2000", "parameters.iterations: 1000 -> 2000"),
        ("[0.1, 0.3]", "[0.1, 0.2]", "parameters.beta_kl: [0.1, 0.3] -> [0.1, 0.2]"),
        ("eta: 2", "eta: 4", "early_terminate.eta: 2 -> 4"),
        ("kl_paper", "jsd_paper", "metric.name: hist_kl_paper -> hist_jsd_paper"),
    ],
)
def test_an_edit_that_changes_what_trials_mean_is_refused(
    old: str, new: str, line: str, client: MlflowClient, tmp_path: Path
) -> None:
    run_all(client, load(tmp_path), tmp_path, status=Status.STOPPED)
    before = everything(client)
    with pytest.raises(ConfigError) as caught:
        refuse_edit(client, load(tmp_path, old, new))
    assert f"\n  {line}" in str(caught.value)
    assert "--name" in caught.value.hint
    assert "--accept-edit" in caught.value.hint
    assert everything(client) == before
    refuse_edit(client, load(tmp_path))


def test_growth_is_let_through(client: MlflowClient, tmp_path: Path) -> None:
    run_all(client, load(tmp_path), tmp_path, status=Status.FINISHED)
    refuse_edit(client, load(tmp_path, "[0.1, 0.3]", "[0.1, 0.2, 0.3]"))
    refuse_edit(client, load(tmp_path, "report: [1]", "report: [1, 2]"))


def test_what_has_not_ended_may_be_edited(client: MlflowClient, tmp_path: Path) -> None:
    run_all(client, load(tmp_path), tmp_path, status=Status.FAILED)
    refuse_edit(client, load(tmp_path, "iterations: 1000", "iterations: 2000"))


def test_an_accepted_edit_is_not_asked_about_again(client: MlflowClient, tmp_path: Path) -> None:
    run_all(client, load(tmp_path), tmp_path, status=Status.FINISHED)
    edited = load(tmp_path, "iterations: 1000", "iterations: 2000")
    open_recorder(client, edited, folder=tmp_path / "edited")  # as a run with --accept-edit
    refuse_edit(client, edited)


def test_another_version_that_reads_the_file_otherwise_is_refused(
    client: MlflowClient, tmp_path: Path
) -> None:
    recorder = run_all(client, load(tmp_path), tmp_path, status=Status.FINISHED)
    tag = study_run(client, "edited").data.tags[tags.EXPANSION]
    client.set_tag(recorder.study_run, tags.EXPANSION, f"{tag.split()[0]} 0123456789ab")
    client.set_tag(recorder.study_run, "introsearch.version.introsearch", "0.0.1")
    with pytest.raises(ConfigError, match=r"version of introsearch: 0\.0\.1 .*-> "):
        refuse_edit(client, load(tmp_path))


def test_a_recorded_file_that_is_no_longer_legal_is_refused_in_words(
    client: MlflowClient, tmp_path: Path
) -> None:
    recorder = run_all(client, load(tmp_path), tmp_path, status=Status.FINISHED)
    client.log_text(recorder.study_run, '{"trainer": "forgotten"}', artifacts.STUDY)
    with pytest.raises(ConfigError, match="cannot be compared") as caught:
        refuse_edit(client, load(tmp_path))
    assert "--accept-edit" in caught.value.hint


def test_a_driver_killed_between_the_file_and_its_fingerprint_does_no_harm(
    client: MlflowClient, tmp_path: Path
) -> None:
    recorder = run_all(client, load(tmp_path), tmp_path, status=Status.FINISHED)
    grown = load(tmp_path, "[0.1, 0.3]", "[0.1, 0.2, 0.3]")
    client.log_dict(recorder.study_run, grown.to_dict(), artifacts.STUDY)
    refuse_edit(client, grown)


@pytest.mark.parametrize("text", ["", '{"trainer": "sintro'])
def test_a_recorded_file_that_was_cut_off_is_written_again(
    text: str, client: MlflowClient, tmp_path: Path
) -> None:
    recorder = run_all(client, load(tmp_path), tmp_path, status=Status.FINISHED)
    client.log_text(recorder.study_run, text, artifacts.STUDY)
    refuse_edit(client, load(tmp_path))


def test_a_study_goes_on_as_it_was_begun(client: MlflowClient, tmp_path: Path) -> None:
    """With the defaults and metrics of the edition that its trials are of."""
    now = load(tmp_path)
    begun = load_study(tmp_path / "study.yaml", edition=FIRST)
    assert as_begun(client, now) == now != begun
    assert {c.id for c in expand(now).configurations}.isdisjoint(
        c.id for c in expand(begun).configurations
    )
    recorder = open_recorder(client, begun, folder=tmp_path / begun.name)
    assert as_begun(client, now) == now  # nothing of it has begun
    trial = select_trials(begun, expand(begun))[0]
    recorder.start(trial)
    assert as_begun(client, now) == begun  # whose checkpoint is not lost
    recorder.end(trial, Status.DIVERGED)
    assert as_begun(client, now) == begun == read_study(client, begun.name)
    assert as_begun(client, now).file == now.file
    assert recorder.trials[trial.name].entry.manner["edition"] == FIRST
    refuse_edit(client, as_begun(client, now))
    # What an earlier version has recorded says nothing of editions.
    run = study_run(client, begun.name)
    client.delete_tag(run.info.run_id, "introsearch.edition")
    assert as_begun(client, now) == begun == read_study(client, begun.name)
    assert "detach_target is true" in read_result(client, begun).caption()
