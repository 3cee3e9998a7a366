from dataclasses import replace

import pytest
import torch

from introsearch.bench.measure import measure, measure_or_reason
from introsearch.bench.measurement import Measurement, bench_text
from introsearch.bench.run import default_orders, study_orders
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.study.file.loader import load_study

TINY = {"batch_size": 8, "hidden_units": 8, "num_draws": 2, "iterations": 100}
TINY |= {"warmup_iterations": 20, "handover_iterations": 5}
STUDY = """\
name: small
trainer: sintrovae
method: grid
metric: {name: hist_kl}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  {iterations: 100, warmup_iterations: 40, handover_iterations: 5, batch_size: 8,
   hidden_units: 8, num_draws: 2, beta_kl: {values: [0.1, 0.2]}}
variants: {sg: {prior: gaussian}, mog: {prior: mog, components: 2}}
evaluate_every: 50
resources: {cpus: 1}
"""


@pytest.fixture
def tiny_order(monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setattr("introsearch.metrics.elbo.NUM_GRID", 16)
    monkeypatch.setattr("introsearch.metrics.elbo.NUM_DATA", 100)
    monkeypatch.setattr("introsearch.bench.measure.PRODUCT_SIZES", {"cpu": (64,)})
    monkeypatch.setattr("introsearch.bench.measure.PATIENCE", 0.0)
    order = default_orders(threads=1)["ip_lc"]
    yield replace(order, settings={**order.settings, **TINY}, gpus=0)
    torch.set_num_threads(threads)


def test_everything_is_measured(tiny_order):
    m = measure(replace(tiny_order, evaluate_every=64))
    parts = {"data", "shared passes", "encoder step", "decoder+prior step", "optimiser"}
    assert set(m.split) == parts | {"averages", "rest"}
    assert min(m.split.values()) > 0
    assert m.plain > 0
    assert m.speedup == m.plain / m.iteration
    assert min(m.evaluation, m.final, m.drawing) > 0
    evaluating = 2 * m.evaluation + m.final + m.drawing  # after 64 iterations, and at the end
    assert m.evaluation_share == pytest.approx(evaluating / (100 * m.iteration + evaluating))
    assert m.product_share == pytest.approx(m.flops / m.iteration / m.product_rate)
    assert 2**26 < m.peak_bytes < 2**34


def test_a_trial_that_cannot_be_measured_says_why(tiny_order):
    hopeless = {**tiny_order.settings, "learning_rate": 1e30, "beta_rec": 1e30}
    assert "is not finite" in measure_or_reason(replace(tiny_order, settings=hopeless))
    huge = {**tiny_order.settings, "batch_size": 10**14}
    reason = measure_or_reason(replace(tiny_order, settings=huge))
    assert "can't allocate memory" in reason
    assert "\n" not in reason


LATENT = {"dataset": "latent_4gaussians", "iterations": 100, "batch_size": 8}


@pytest.mark.parametrize(
    ("trainer", "settings", "parts"),
    [
        (
            "evalp",
            {**LATENT, "flow_units": 4, "energy_units": 4},
            {"data", "critic steps", "sampler step", "averages"},
        ),
        ("latent_flow", {**LATENT, "flow_units": 4}, {"data", "sampler step", "averages"}),
        ("ncp", {**LATENT, "energy_units": 4}, {"data", "critic steps"}),
        (
            "collapse_vae",
            {"iterations": 100, "train_images": 50, "activation": "relu"},
            {"data", "all players"},
        ),
    ],
)
def test_other_trainers_are_measured_without_a_plain_form(tiny_order, trainer, settings, parts):
    resolved = settings_to_dict(resolve_settings(trainer, settings))
    m = measure(replace(tiny_order, trainer=trainer, settings=resolved))
    assert set(m.split) == parts | {"optimiser", "rest"}
    assert m.plain is None
    assert m.flops > 0
    assert m.iterations_per_second == 1 / m.iteration
    assert m.to_dict()["iterations_per_second"] == m.iterations_per_second


def test_what_has_no_steps_is_not_timed(tiny_order):
    settings = settings_to_dict(resolve_settings("latent_gmm", LATENT))
    reason = measure_or_reason(replace(tiny_order, trainer="latent_gmm", settings=settings))
    assert "no iterations to time" in reason


def test_one_configuration_of_each_variant_runs_as_in_the_study(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY)
    orders = study_orders(load_study(tmp_path / "s.yaml"), threads=2)
    assert [*orders] == ["sg", "mog"]
    assert orders["mog"].settings["prior"] == "mog"
    assert {(o.cpus, o.evaluate_every, o.costly_metrics) for o in orders.values()} == {
        (2, 50, True)
    }


def test_tables_hold_every_variant_and_every_reason():
    m = Measurement(
        iteration=0.05,
        split={"data": 0.01, "rest": 0.04},
        plain=None,
        flops=5 * 10**9,
        product_rate=2e11,
        evaluation=0.1,
        final=10.0,
        drawing=0.7,
        evaluation_share=0.01,
        peak_bytes=2**29,
    )
    lines = bench_text({"sg": m, "ip": replace(m, plain=0.5), "bad": "not finite"}).splitlines()
    assert " ".join(lines[1].split()) == "sg 50.0 20.0 - - 5.00 100 50% 0.10 10.0 0.7 1.0% 0.50"
    assert lines[2].split()[3:5] == ["500.0", "10.0x"]
    assert lines[5].split() == ["sg", "10.0", "40.0"]
    assert lines[-1] == "bad: not finite"
