"""Conformance: whatever is registered keeps its contract."""

import copy
import math

import pytest
import torch

from introsearch.extensions import load, metrics_for
from introsearch.metrics import elbo
from introsearch.nets.mlp import MLPEncoder
from introsearch.priors.base import PriorContext
from introsearch.registry import DATASETS, METRICS, PRIORS, TRAINERS
from introsearch.settings.base import resolve_settings

IMAGES = {
    "dataset": "digits",
    "train_images": 120,
    "channels": [4, 4],
    "latent_dim": 3,
    "components": 1,
}
POINTS = {"dataset": "8gaussians", "hidden_units": 16}
LATENTS = {"dataset": "latent_4gaussians", "hidden_units": 16}
# What applies to some VAE, and the last of these settings that it applies to. Metrics of modes are
# not among them: tests/training/shallow has their trainers.
SETTINGS_OF_METRIC = {
    name: sizes for sizes in (LATENTS, IMAGES, POINTS) for name in metrics_for("vae", sizes)
}


def prior(name, dtype=torch.float):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    context = PriorContext(
        latent_dim=2,
        components=1 if name == "gaussian" else 5,
        learnable_contributions=name != "gaussian",
        data=torch.randn(5, 2, generator=generator),
        encode=MLPEncoder(2, 2, hidden_units=8),
        generator=generator,
    )
    return load(PRIORS[name]).create(context)


@pytest.mark.parametrize("name", PRIORS)
class TestEveryPrior:
    def test_density_has_any_leading_shape_and_integrates_to_one(self, name):
        p = prior(name)
        axis = torch.linspace(-8, 8, 400)
        z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
        with torch.no_grad():
            density = p.log_prob(z).exp()
        assert density.shape == z.shape[:-1]
        assert (density.sum() * (axis[1] - axis[0]) ** 2).item() == pytest.approx(1.0, abs=1e-3)

    def test_samples_come_from_the_density(self, name):
        """The mean log-density of samples is minus the entropy, which a grid gives as well."""
        p = prior(name)
        axis = torch.linspace(-8, 8, 400)
        z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
        with torch.no_grad():
            log_density = p.log_prob(z)
            sampled = p.log_prob(p.sample(50_000, torch.Generator().manual_seed(0))).mean()
        exact = (log_density.exp() * log_density).sum() * (axis[1] - axis[0]) ** 2
        assert sampled.item() == pytest.approx(exact.item(), abs=0.02)

    def test_state_dict_is_the_whole_state(self, name):
        one, other = prior(name), prior(name)
        with torch.no_grad():
            for p in one.parameters():
                p.add_(0.1)
        other.load_state_dict(copy.deepcopy(one.state_dict()))
        z = torch.randn(10, 2)
        assert torch.equal(one.log_prob(z), other.log_prob(z))

    def test_frozen_is_a_constant(self, name):
        p, z = prior(name), torch.randn(10, 2, requires_grad=True)
        p.log_prob(z, frozen=True).sum().backward()
        assert z.grad is not None
        assert all(q.grad is None for q in p.parameters())


def test_what_metrics_judge_is_what_models_are_judged_as():
    judged_as = {word for entry in TRAINERS.values() for word in entry.judged_as.split()}
    judged_as |= {"any_data", *(entry.kind for entry in DATASETS.values())}
    assert {word for entry in METRICS.values() for word in entry.judges.split()} == judged_as


@pytest.mark.parametrize("name", SETTINGS_OF_METRIC)
@pytest.mark.parametrize("kind", PRIORS)
def test_every_metric_is_finite_repeatable_and_harmless(name, kind, monkeypatch):
    monkeypatch.setattr(elbo, "NUM_GRID", 31)
    sizes = SETTINGS_OF_METRIC[name]
    settings = resolve_settings("vae", {"prior": kind, "batch_size": 32, **sizes})
    trainer = load(TRAINERS["vae"].trainer)(settings, seed=0)
    trainer.advance(3)
    before = copy.deepcopy(trainer.state_dict())
    first, second = trainer.evaluate([name]), trainer.evaluate([name])
    assert first == second or METRICS[name].timing
    assert first[name] > 0 or not METRICS[name].timing
    assert math.isfinite(first[name])
    for part in ("encoder", "decoder", "streams"):
        torch.testing.assert_close(trainer.state_dict()[part], before[part], rtol=0, atol=0)
