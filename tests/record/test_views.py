"""Views of a study in MLflow's pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.record.recorder import open_recorder
from introsearch.record.ui import pages
from introsearch.record.views import CONFIGURATIONS, SEEDS, TAG
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, report_trials, searched_settings
from introsearch.trial.evaluation import Evaluation

STUDY = """\
name: viewed
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2]}
variants:
  sg: {prior: gaussian}
  vae: {trainer: vae, beta_rec: {values: [1, 2]}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


def test_the_views_of_a_study_are_in_its_experiment(
    client: MlflowClient, study: Study, tmp_path: Path
) -> None:
    recorder = open_recorder(client, study, folder=tmp_path / "runs" / "viewed")
    place = f"/#/experiments/{recorder.experiment_id}/runs"
    assert pages(client, "viewed") == {
        "viewed": place,
        "configurations": f"{place}?viewStateShareKey={CONFIGURATIONS}",
        "reported seeds": f"{place}?viewStateShareKey={SEEDS}",
    }
    expansion = expand(study)
    assert searched_settings(expansion) == ["beta_rec", "beta_kl"]
    (trial, *_) = report_trials(study, expansion, {"sg": expansion.members["sg"][0].id})
    recorder.start(trial)
    evaluation = Evaluation(
        iteration=1, status="finished", metrics={"hist_kl_paper": 1.0}, timestamp_ms=1, seconds=1.0
    )
    recorder.log(trial, [evaluation], rungs=())
    recorder.end(trial, Status.FINISHED)
    recorder.summarise(trial.configuration, {"hist_kl_paper.mean": 1.0, "n": 1.0}, chosen_in=["sg"])
    tags = client.get_experiment(recorder.experiment_id).tags
    for key in (CONFIGURATIONS, SEEDS):
        view = json.loads(tags[TAG + key])
        (run,) = client.search_runs([recorder.experiment_id], view["searchFilter"])
        assert run.data.params["beta_kl"] in ("0.1", "0.2")
        for column in view["selectedColumns"][:1]:
            kind, _, name = column.partition(".")
            assert name.strip("`") in getattr(run.data, kind)
