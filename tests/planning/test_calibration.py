"""What a short trial says of a long one."""

from __future__ import annotations

import io

import pytest
import torch

from introsearch.planning.calibration import local_resources, measure_kinds
from introsearch.planning.costs import TrialCosts, kind_of
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand
from introsearch.study.sections import Resources
from introsearch.trial.evaluation import TIMES
from introsearch.trial.order import order_of
from introsearch.trial.run import TrialRun

pytestmark = pytest.mark.usefixtures("small_grid")

STUDY = """\
trainer: sintrovae
metric: {name: hist_kl}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2]}
  iterations: 60
  warmup_iterations: 20
  handover_iterations: 5
  batch_size: 16
  hidden_units: 16
  num_draws: 5
variants:
  vae: {trainer: vae, warmup_iterations: null, handover_iterations: null}
  ip: {prior: mog, components: 4, intro_prior: true}
evaluate_every: 20
"""
ONE_CPU = Resources(cpus=1, gpus=0)


Measured = tuple[Study, dict[str, TrialCosts], list[str]]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """A study, what its kinds of trials take, and what was said meanwhile."""
    path = tmp_path_factory.mktemp("calibration") / "study.yaml"
    path.write_text(STUDY)
    study, told = load_study(path), list[str]()
    return study, measure_kinds(study, expand(study), ONE_CPU, notify=told.append), told


def test_each_kind_is_timed_once(measured: Measured) -> None:
    _, costs, told = measured
    assert told == ["timing 1 of 2: vae", "timing 2 of 2: ip"]
    assert len(costs) == 2
    for each in costs.values():
        assert min(each.warmup_iteration, each.iteration, each.evaluation, each.final) > 0


def test_sizes_are_those_of_the_trial_itself(measured: Measured) -> None:
    study, costs, _ = measured
    configuration = expand(study).members["ip"][0]
    trial = Trial(configuration=configuration, seed=0, stage="select")
    sizes: list[int] = []
    order = order_of(study, trial, resources=ONE_CPU, folder="")
    run = TrialRun(order, keep_figure=lambda name, iteration, png: sizes.append(len(png)))
    while not run.evaluations or run.evaluations[-1].iteration < run.end:
        run.step()
    buffer = io.BytesIO()
    torch.save(run.state_dict(), buffer)
    found = costs[kind_of(configuration)]
    assert found.checkpoint_bytes == pytest.approx(buffer.tell(), rel=0.2)
    assert found.figure_bytes == pytest.approx(sum(sizes), rel=0.5)
    last = run.evaluations[-1]
    assert found.values == len(last.metrics) + len(TIMES) + len(last.system)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_cpu_is_timed() -> None:
    assert local_resources(Resources(cpus=1, gpus=0.5)) == (ONE_CPU, 0)
