"""A trial in this process: what its order asks for."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import torch

from introsearch.study.file.loader import load_study
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, report_trials, select_trials
from introsearch.study.sections import Resources
from introsearch.trial.order import order_of
from introsearch.trial.run import TrialRun, prepare_process

STUDY = """\
trainer: sintrovae
metric: {name: hist_kl}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  iterations: 60
  warmup_iterations: 20
  handover_iterations: 5
  lr_milestones: []
  batch_size: 16
  hidden_units: 16
  num_draws: 5
  average_decay: 0.9
  learning_rate: 0.01
variants:
  ip: {prior: mog, components: 4, intro_prior: true}
early_terminate: {type: asha, min_iter: 40, max_iter: 60, eta: 2, averaged: true}
evaluate_every: 20
"""


def read(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


def test_the_averaged_metric_is_that_of_averaged_weights(tmp_path: Path) -> None:
    study = read(tmp_path)
    trial = select_trials(study, expand(study))[0]
    run = TrialRun(order_of(study, trial, resources=Resources(), folder=""))
    name = study.metric.name
    run.step()
    last = run.step()
    judged = run.trainer.evaluate([name], averaged=True)[name]
    assert last.metrics[f"averaged/{name}"] == judged != last.metrics[name]
    assert last.metrics["unit_kl/01"] >= last.metrics["unit_kl/02"], "details are recorded"


def test_report_trials_need_no_averaged_metric(tmp_path: Path) -> None:
    study = read(tmp_path)
    expansion = expand(study)
    winners = {group: members[0].id for group, members in expansion.members.items()}
    trial = report_trials(study, expansion, winners)[0]
    assert not order_of(study, trial, resources=Resources(), folder="").averaged_metric
    plain = study.early_terminate.changed(averaged=False)
    study = study.changed(early_terminate=plain)
    trial = select_trials(study, expand(study))[0]
    assert not order_of(study, trial, resources=Resources(), folder="").averaged_metric


def test_the_time_of_evaluations_is_told_apart(tmp_path: Path) -> None:
    study = read(tmp_path)
    trial = select_trials(study, expand(study))[0]
    run = TrialRun(order_of(study, trial, resources=Resources(), folder=""))
    evaluate = run.trainer.evaluate

    def slow(*names: Any, **options: Any) -> dict[str, float]:
        time.sleep(0.2)
        return evaluate(*names, **options)

    run.trainer.evaluate = slow  # type: ignore[method-assign]
    first, second = run.step(), run.step()
    assert 0.4 < first.evaluation_seconds < first.seconds  # the averaged metric is one more
    assert first.evaluation_seconds + 0.4 < second.evaluation_seconds < second.seconds
    again = TrialRun(run.order)
    again.load_state_dict(run.state_dict())
    assert again.step().evaluation_seconds > second.evaluation_seconds


def test_a_trial_leaves_the_process_as_it_is(tmp_path: Path) -> None:
    """What a process needs for a trial is done by `prepare_process` alone."""
    study = read(tmp_path)
    order = order_of(
        study, select_trials(study, expand(study))[0], resources=Resources(cpus=1), folder=""
    )
    order = dataclasses.replace(order, module_folders=(str(tmp_path / "own"),))
    threads, path = torch.get_num_threads(), list(sys.path)
    try:
        torch.set_num_threads(2)
        TrialRun(order)
        assert (torch.get_num_threads(), sys.path) == (2, path)
        prepare_process(order)
        assert (torch.get_num_threads(), sys.path) == (1, [*path, str(tmp_path / "own")])
    finally:
        torch.set_num_threads(threads)
        sys.path[:] = path
