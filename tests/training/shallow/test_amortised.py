"""Posterior variances that depend on the data: every number uses each data point's own."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from introsearch.errors import ConfigError
from introsearch.extensions import load
from introsearch.losses.shallow import collapse_loss
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.training.shallow.likelihood import importance_nll
from introsearch.training.shallow.moments import mean_moments, sampled_moments

RELU = {
    "train_images": 200, "latent_dim": 3, "iterations": 60, "activation": "relu",
    "hidden_units": 8, "batch_size": 32, "eta_enc": 0.8, "eta_dec": 0.5,
    "variance": "amortised",
}  # fmt: skip
CONV = {**{k: v for k, v in RELU.items() if k != "hidden_units"}, "channels": [4]}
TWO = {**RELU, "beta1": 1.0, "beta2": 1.5}


def trained(trainer="collapse_vae", steps=60, **parameters):
    made = load(TRAINERS[trainer].trainer)(resolve_settings(trainer, parameters), seed=0)
    made.advance(steps)
    return made


@pytest.mark.parametrize("parameters", [RELU, CONV])
def test_variances_differ_from_one_data_point_to_the_next(parameters):
    made = trained(**parameters)
    with torch.no_grad():
        _, logvar = made.nets.posterior(made.rows.numbers(slice(0, 50)))
    assert logvar.shape == (50, 3)
    assert (logvar.std(dim=0) > 1e-3).all()
    shared = trained(**{**parameters, "variance": "learnt"})
    assert shared.nets.posterior(shared.rows.numbers(slice(0, 50)))[1].shape == (3,)


def test_kl_of_each_data_point_uses_its_own_variance():
    made = trained(**RELU)
    with torch.no_grad():
        view = made._view()
        mu, logvar = made.nets.posterior(made.rows.numbers(slice(None)))
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(torch.zeros(()), 0.8))
    torch.testing.assert_close(view.pair_kl, expected)
    by_mode = expected.mean(dim=0).sort(descending=True).values
    torch.testing.assert_close(torch.from_numpy(view.trained.kl[0].copy()), by_mode)
    with_mean_variance = kl_divergence(
        Normal(mu, logvar.exp().mean(dim=0).sqrt()), Normal(torch.zeros(()), 0.8)
    )
    assert (view.pair_kl - with_mean_variance).abs().max() > 1e-3


def test_blocks_have_the_moments_of_the_whole():
    made = trained("collapse_hvae", **TWO)
    rows = made.rows.numbers(slice(None))
    noise = made._noise(len(rows), torch.Generator().manual_seed(0))
    whole = sampled_moments(made.nets, rows, noise)
    parts = [sampled_moments(made.nets, rows[a:b], noise[a:b]) for a, b in ((0, 150), (150, 200))]
    together = mean_moments(parts, [150, 50])
    for a, b in zip(together.levels, whole.levels, strict=True):
        for one, other in zip(a, b, strict=True):
            torch.testing.assert_close(one, other)


def test_the_objective_is_the_negative_elbo_of_torch_distributions():
    """Several rows, many draws, two latents: every term from densities, none from a closed form."""
    made = trained("collapse_hvae", **{**TWO, "eta_dec": 0.7, "eta_enc": 1.3})
    nets, rows = made.nets, made.rows.numbers(slice(0, 5)).repeat(20_000, 1)
    noise = made._noise(len(rows), torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = collapse_loss(
            sampled_moments(nets, rows, noise), betas=(1, 1), eta_dec=0.7, prior_stds=(0.7, 1.3)
        )
        mu1, logvar1 = nets.encoders[0](rows).chunk(2, dim=1)
        s1 = 0.7 * (0.5 * logvar1).exp()
        z1 = mu1 + s1 * noise[:, 0]
        mu2, logvar2 = nets.encoders[1](z1).chunk(2, dim=1)
        s2 = 1.3 * (0.5 * logvar2).exp()
        z2 = mu2 + s2 * noise[:, 1]
        log_p = Normal(nets.decoders[0](z1), 0.7).log_prob(rows).sum(1)
        log_p += Normal(nets.decoders[1](z2), 0.7).log_prob(z1).sum(1)
        log_p += Normal(0.0, 1.3).log_prob(z2).sum(1)
        log_q = Normal(mu1, s1).log_prob(z1).sum(1) + Normal(mu2, s2).log_prob(z2).sum(1)
    constant = 64 * torch.tensor(0.7).log() + 32 * torch.tensor(2 * torch.pi).log()
    expected = (log_q - log_p).mean() - constant
    torch.testing.assert_close(loss.total, expected.double(), rtol=0, atol=0.03)


def test_importance_sampling_does_not_depend_on_the_proposal():
    """The likelihood is the decoder's alone, whichever posterior proposes."""
    amortised = trained("collapse_hvae", **TWO)
    shared = trained("collapse_hvae", 1, **{**TWO, "variance": "learnt"})
    shared.nets.decoders.load_state_dict(amortised.nets.decoders.state_dict())
    rows = amortised.test_rows.numbers(slice(0, 3))
    with torch.no_grad():
        estimates = [
            importance_nll(
                made.nets, rows, eta_dec=0.5, prior_stds=(0.5, 0.8), num_draws=50_000,
                generator=torch.Generator().manual_seed(0),
            )
            for made in (amortised, shared)
        ]  # fmt: skip
    torch.testing.assert_close(*estimates, rtol=0, atol=0.1)


def test_a_fixed_first_latent_leaves_the_second_to_the_encoder():
    made = trained("collapse_hvae", 1, **TWO, sigma1=0.4)
    assert made.nets.variances == ("fixed", "amortised")
    row = made.rows.numbers(slice(0, 2))
    assert made.nets.posterior(row)[1].shape == (3,)
    assert made.nets.posterior(row[:, :3], level=1)[1].shape == (2, 3)


def test_learnt_is_implied():
    """Trials from before there was a choice keep their identity."""
    assert "variance" not in settings_to_dict(resolve_settings("collapse_vae", {}))


@pytest.mark.parametrize(
    ("trainer", "parameters", "words"),
    [
        ("collapse_vae", {}, "activation: linear"),
        ("collapse_cvae", {"activation": "relu", "sigma": 0.5}, "nothing with sigma"),
        (
            "collapse_hvae",
            {"activation": "relu", "sigma1": 0.5, "sigma2": 0.5},
            "nothing with sigma1 and sigma2",
        ),
    ],
)
def test_amortised_variances_are_refused_where_there_are_none(trainer, parameters, words):
    with pytest.raises(ConfigError, match=words) as caught:
        resolve_settings(trainer, {**parameters, "variance": "amortised"})
    assert caught.value.key == "variance"
