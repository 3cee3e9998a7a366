"""Iterations of the fitted priors beside their equations, and the densities that they stand for."""

import copy
import math

import pytest
import torch
from torch.distributions import Normal
from torch.nn import functional

from introsearch.data.images import to_float
from introsearch.extensions import load
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings

N, L, STEPS = 16, 3, 3
SMALL = {
    "dataset": "digits", "train_images": 100, "latent_dim": L, "channels": [4, 8],
    "stage1_iterations": 4, "num_samples": 20, "iterations": 10, "batch_size": N,
}  # fmt: skip
FLOW = {"flow_units": 8, "average_decay": 0.8}
EVALP = {**FLOW, "energy_units": 8, "critic_steps": 1, "penalty_weight": 7.0, "kl_weight": 0.3}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("INTROSEARCH_CACHE", str(tmp_path))


def make(method, **changes):
    settings = resolve_settings(method, {**SMALL, **changes})
    trainer = load(TRAINERS[method].trainer)(settings, seed=0)
    trainer.stage_1.prepare()
    return trainer


class Plain:
    """The losses of a trainer's players by the equations, with streams of the same state."""

    def __init__(self, trainer):
        self.settings, self.players = trainer.settings, trainer.players
        with torch.no_grad():
            images = trainer.stage_1.dataset.train.images
            self.mu, self.logvar = trainer.stage_1.encoder(to_float(images))
        self.data, self.noise = (copy.deepcopy(trainer.streams[n]) for n in ("data", "noise"))
        self.batches = []  # of the critic steps to come

    def normal(self, n=N):
        return torch.randn(n, L, generator=self.noise)

    def posterior(self, n=N):
        chosen = torch.randint(100, (n,), generator=self.data)
        return self.mu[chosen] + (self.logvar[chosen] / 2).exp() * self.normal(n)

    def critic_batch(self):
        """Those of an iteration are drawn at once: the sampler stays until its own step."""
        if not self.batches:
            n = self.settings.critic_steps * N
            points = self.posterior(n), self.players["sampler"].flow(self.normal(n)).z.detach()
            share = torch.rand(n, 1, generator=self.noise)
            self.batches = [*zip(*(x.split(N) for x in (*points, share)), strict=True)]
        return self.batches.pop(0)

    def evalp_energy(self):
        f, s = self.players["energy"], self.settings
        positive, negative, share = self.critic_batch()
        between = (share * positive + (1 - share) * negative).requires_grad_()
        (slope,) = torch.autograd.grad(f(between).sum(), between, create_graph=True)
        excess = slope.square().sum(dim=1).sqrt() - 1
        if s.one_sided_penalty:
            excess = excess.relu()
        return f(positive).mean() - f(negative).mean() + s.penalty_weight * (excess**2).mean()

    def evalp_sampler(self):
        f, noise = self.players["energy"], self.normal()
        z, log_det = self.players["sampler"].flow(noise)
        kl = (log_normal(noise) - log_det - log_normal(z)).mean()
        return f(z).mean() + self.settings.kl_weight * kl

    def latent_flow_sampler(self):
        noise, log_det = self.players["sampler"].flow.inverse(self.posterior())
        return -(log_normal(noise) + log_det).mean()

    def ncp_energy(self):
        f, positive = self.players["energy"], self.posterior()
        logits, labels = -torch.cat([f(positive), f(self.normal())]), torch.zeros(2 * N)
        labels[:N] = 1
        return 2 * functional.binary_cross_entropy_with_logits(logits, labels)


def log_normal(z):
    return Normal(0.0, 1.0).log_prob(z).sum(dim=1)


@pytest.mark.parametrize(
    ("method", "settings", "order", "betas"),
    [
        ("evalp", EVALP, ["energy", "sampler"], (0.5, 0.999)),
        ("evalp", {**EVALP, "one_sided_penalty": True}, ["energy", "sampler"], (0.5, 0.999)),
        ("latent_flow", FLOW, ["sampler"], (0.9, 0.999)),
        ("ncp", {"energy_units": 8}, ["energy"], (0.9, 0.999)),
    ],
)
def test_steps_follow_the_gradients_of_the_equations(method, settings, order, betas):
    trainer = make(method, **settings)
    plain, steps = Plain(trainer), []

    def compare(name):
        def before_step(adam, *_):
            steps.append(name)
            parameters = list(trainer.players[name].parameters())
            expected = torch.autograd.grad(getattr(plain, f"{method}_{name}")(), parameters)
            for p, gradient in zip(parameters, expected, strict=True):
                torch.testing.assert_close(p.grad, gradient, rtol=1e-4, atol=2e-6)
            (group,) = adam.param_groups
            assert (group["betas"], group["weight_decay"]) == (betas, 0)
            cosine = math.cos(math.pi * trainer.iteration / 10)
            assert group["lr"] == pytest.approx(2.5e-4 * (1 + cosine))

        return before_step

    for name, adam in trainer.optimisers.items():
        adam.register_step_pre_hook(compare(name))
    flow = list(trainer.players["sampler"].parameters()) if "sampler" in trainer.players else []
    average = [p.detach().clone() for p in flow]
    for _ in range(STEPS):
        trainer.advance(1)
        average = [0.8 * mean + 0.2 * p.detach() for mean, p in zip(average, flow, strict=True)]
    assert steps == STEPS * order
    if flow:
        sampling = [p.detach() for p in trainer.prior.parameters()]
        torch.testing.assert_close(sampling, average, rtol=0, atol=1e-6)


def test_the_energy_takes_its_steps_before_the_samplers_one():
    trainer, steps = make("evalp", **{**EVALP, "critic_steps": 3}), []
    for name, adam in trainer.optimisers.items():
        adam.register_step_pre_hook(lambda *_, name=name: steps.append(name))
    trainer.advance(2)
    assert steps == 2 * ["energy", "energy", "energy", "sampler"]


@pytest.mark.parametrize("sampling", ["sir", "sir_energy_only", "langevin"])
def test_evalp_stands_for_the_density_that_its_weights_aim_at(sampling):
    """exp(-f / w) p_0, or exp(-f) p_g with the energy alone; proposals are the averaged flow's."""
    trainer = make("evalp", **EVALP, sampling=sampling)
    trainer.advance(2)
    z, prior = torch.randn(30, L), trainer.prior
    flow = trainer.average.modules["sampler"]
    with torch.no_grad():
        found = prior.log_prob(z)
        if sampling == "sir_energy_only":
            expected = flow.log_prob(z) - trainer.energy(z)
        else:
            expected = log_normal(z) - trainer.energy(z) / 0.3
    torch.testing.assert_close(found - found.mean(), expected - expected.mean())
    assert prior.proposal is flow
    if sampling == "langevin":  # which starts from p_0
        flow.sample = None
    assert prior.sample(5, torch.Generator()).shape == (5, L)


def test_a_contrastive_prior_is_the_classifiers_odds_times_its_base():
    trainer = make("ncp", energy_units=8)
    trainer.advance(2)
    z = torch.randn(30, L)
    with torch.no_grad():
        found, expected = trainer.prior.log_prob(z), log_normal(z) - trainer.energy(z)
    torch.testing.assert_close(found - found.mean(), expected - expected.mean())


def test_a_fitted_mixture_is_a_fixed_point_of_em():
    """Its weights are its mean responsibilities, here those of three Gaussians for four modes."""
    trainer = load(TRAINERS["latent_gmm"].trainer)(
        resolve_settings("latent_gmm", {"dataset": "latent_4gaussians", "gaussians": 3}), seed=0
    )
    trainer.advance(1)
    m, z = trainer.mixture, trainer.stage_1.dataset.sample(20_000, torch.Generator().manual_seed(1))
    joint = [
        torch.distributions.MultivariateNormal(mu, scale_tril=a).log_prob(z) + w.log()
        for mu, a, w in zip(m.mu, m.factors, m.weights, strict=True)
    ]
    shares = torch.stack(joint).softmax(dim=0).mean(dim=1)
    assert shares.max() > 0.45
    torch.testing.assert_close(m.weights, shares, rtol=0, atol=0.02)
