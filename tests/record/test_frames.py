"""From the record back to data frames, numbers and the study itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from introsearch.errors import ConfigError
from introsearch.record.frames import read_frame, tidy_frame
from introsearch.record.recorder import Recorder, open_recorder
from introsearch.record.results import read_result, read_study
from introsearch.record.runs import find_experiment, runs_of
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import Expansion, expand, report_trials, select_trials
from introsearch.trial.evaluation import Evaluation

METRIC = "hist_kl_paper"
STUDY = """\
name: framed
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2, 3]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 1e-5]}
  iterations: 1000
  warmup_iterations: 200
  lr_milestones: []
variants:
  plain: {trainer: vae, prior: gaussian, warmup_iterations: }
  ip: {prior: mog, components: 3, intro_prior: true, beta_neg: {times: beta_kl, values: [2]}}
early_terminate: {type: asha, min_iter: 300, max_iter: 1000, eta: 2}
evaluate_every: 100
budget: {max_hours: 1.5, max_failed_trials: 3}
resources: {cpus: 1, gpus: 0.25}
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


@pytest.fixture
def expansion(study: Study) -> Expansion:
    return expand(study)


@pytest.fixture
def recorder(client: MlflowClient, study: Study, tmp_path: Path) -> Recorder:
    return open_recorder(client, study, folder=tmp_path / study.name)


def finish(recorder: Recorder, trial: Trial, value: float, status: str = Status.FINISHED) -> None:
    recorder.start(trial)
    evaluations = [
        Evaluation(
            iteration=i,
            status=Status.RUNNING,
            metrics={METRIC: value + (1000 - i)},
            timestamp_ms=i,
            seconds=i / 10,
            evaluation_seconds=i / 50,
        )
        for i in (500, 1000)
    ]
    recorder.log(trial, evaluations, rungs=())
    recorder.end(trial, status)


def value_of(trial: Trial) -> float:
    return trial.seed**2 + trial.configuration.settings["beta_kl"] / 3


@pytest.fixture
def finished(recorder: Recorder, study: Study, expansion: Expansion) -> dict[str, str]:
    """Every trial of both stages is recorded; the chosen configuration by group."""
    trials = select_trials(study, expansion)
    for trial in trials:
        finish(recorder, trial, value_of(trial))
    chosen: dict[str, str] = {}
    for group in expansion.groups:
        best = min((t for t in trials if group in t.configuration.groups), key=value_of)
        chosen[group] = best.configuration.id
    for trial in report_trials(study, expansion, chosen):
        finish(recorder, trial, value_of(trial))
    return chosen


def test_the_study_reads_back_as_it_was(
    client: MlflowClient, recorder: Recorder, study: Study
) -> None:
    assert read_study(client, "framed") == study


def test_a_frame_has_a_row_per_seed_run(
    client: MlflowClient, recorder: Recorder, expansion: Expansion, finished: dict[str, str]
) -> None:
    groups = {c.id: c.groups for c in expansion.configurations}
    frame = read_frame(client, recorder.experiment_id, groups=groups)
    assert len(frame) == 4 + 2 * 3
    assert not frame.duplicated(["config_id", "seed"]).any()
    for row in frame.to_dict("records"):
        settings = next(c.settings for c in expansion.configurations if c.id == row["config_id"])
        assert row["param.beta_kl"] == settings["beta_kl"]
        assert row["groups"] == list(groups[row["config_id"]])
        assert row["metric." + METRIC] == row["seed"] ** 2 + settings["beta_kl"] / 3
        assert row["iteration"] == 1000


def test_configurations_that_the_study_no_longer_has_are_left_out(
    client: MlflowClient, recorder: Recorder, expansion: Expansion, finished: dict[str, str]
) -> None:
    kept = expansion.configurations[0].id
    frame = read_frame(client, recorder.experiment_id, groups={kept: ("g",)})
    assert set(frame["config_id"]) == {kept}


def test_an_empty_frame_has_its_columns(client: MlflowClient, recorder: Recorder) -> None:
    frame = read_frame(client, recorder.experiment_id, groups={})
    assert frame.empty
    assert {"config_id", "seed", "status", "groups"} <= set(frame.columns)


def test_more_runs_than_a_page(
    client: MlflowClient,
    recorder: Recorder,
    finished: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("introsearch.record.runs.PAGE", 3)
    runs = list(runs_of(client, recorder.experiment_id, level="seed"))
    assert len({run.info.run_id for run in runs}) == len(runs) == 10


def test_the_summary_is_numpys(
    client: MlflowClient, study: Study, recorder: Recorder, finished: dict[str, str]
) -> None:
    result = read_result(client, study)
    assert result.chosen == finished
    for group, identity in finished.items():
        beta_kl = next(
            c.settings["beta_kl"] for c in expand(study).members[group] if c.id == identity
        )
        values = np.array([seed**2 + beta_kl / 3 for seed in (1, 2, 3)])
        rows = result.summary[(result.summary["group"] == group)]
        (row,) = rows[rows["metric"] == METRIC].to_dict("records")
        assert row["n"] == 3
        assert row["mean"] == pytest.approx(values.mean(), rel=1e-14)
        assert row["std"] == pytest.approx(values.std(ddof=1), rel=1e-14)


@pytest.mark.parametrize("status", [Status.INTERRUPTED, Status.RUNNING, Status.STOPPED])
def test_a_study_that_has_not_ended_can_be_read(
    client: MlflowClient, recorder: Recorder, study: Study, expansion: Expansion, status: str
) -> None:
    first, second = select_trials(study, expansion)[:2]
    finish(recorder, first, 1.0)
    recorder.start(second)
    if status != Status.RUNNING:
        recorder.end(second, status)
    result = read_result(client, study)
    assert result.table("csv")
    assert list(result.frame["status"]) == [Status.FINISHED, status]


def test_an_unknown_study_is_told_from_those_there_are(
    client: MlflowClient, recorder: Recorder
) -> None:
    with pytest.raises(ConfigError, match="no study 'frames'") as caught:
        find_experiment(client, "frames")
    assert "framed" in caught.value.hint
    client.create_experiment("foreign")
    with pytest.raises(ConfigError, match="no study 'foreign'"):
        read_study(client, "foreign")
    client.delete_experiment(recorder.experiment_id)
    with pytest.raises(ConfigError, match="no study 'framed'"):
        read_study(client, "framed")


def test_a_tidy_frame_has_a_row_per_group_run_and_metric(
    client: MlflowClient, recorder: Recorder, finished: dict[str, str]
) -> None:
    frame = tidy_frame(client, "framed")
    assert len(frame) == 4 + 2 * 3
    assert set(frame["study"]) == {"framed"}
    assert set(frame["group"]) == {"rings / plain", "rings / ip"}
    assert frame["stage"].value_counts().to_dict() == {"select": 4, "report": 6}
    reported = frame[(frame["stage"] == "report") & (frame["group"] == "rings / ip")]
    assert set(reported["config_id"]) == {finished["rings / ip"]}
    assert list(reported["metric"]) == [METRIC] * 3
    beta_kl = reported["param.beta_kl"].iloc[0]
    np.testing.assert_array_equal(reported["value"], reported["seed"] ** 2 + beta_kl / 3)
    assert list(reported["seconds"]) == [100.0] * 3
    assert list(reported["evaluation_seconds"]) == [20.0] * 3
    assert reported["version.python"].notna().all()
    assert set(reported["variant"]) == {"ip"}
    assert set(reported["extractor"]) == {""}


def test_a_tidy_frame_keeps_runs_that_measured_nothing(
    client: MlflowClient, recorder: Recorder, study: Study, expansion: Expansion
) -> None:
    assert tidy_frame(client, "framed").empty
    first, second = select_trials(study, expansion)[:2]
    recorder.start(first)
    recorder.end(first, Status.DIVERGED, reason="loss is not finite")
    (row,) = tidy_frame(client, "framed").to_dict("records")
    assert (row["status"], row["reason"]) == (Status.DIVERGED, "loss is not finite")
    assert np.isnan(row["value"])
    finish(recorder, second, 2.5)
    assert sorted(tidy_frame(client, "framed")["status"]) == [Status.DIVERGED, Status.FINISHED]
