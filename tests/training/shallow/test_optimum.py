"""Linear models that are set to the closed-form optimum, and how far from it others are."""

import math

import pytest
import torch

from introsearch.errors import ConfigError
from introsearch.extensions import load, metrics_for
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings
from introsearch.study.file.loader import load_study
from introsearch.study.search.expand import expand
from introsearch.theory.hierarchical import hierarchical_optimum
from introsearch.theory.linear import linear_vae_optimum
from introsearch.training.shallow.rows import moment_theta

L = 4
LEVELS = {"eta_dec": 0.5, "eta_enc": 0.8}
HVAE = {"beta1": 1.2, "beta2": 2.0, "sigma1": 0.4, "sigma2": None}


def at_optimum(trainer):
    """A trainer whose model is set, matrix by matrix, to the minimum."""
    parameters = {"train_images": 200, "latent_dim": L, **LEVELS}
    if trainer == "collapse_hvae":
        parameters |= {name: value for name, value in HVAE.items() if value is not None}
    made = load(TRAINERS[trainer].trainer)(resolve_settings(trainer, parameters), seed=0)
    second, dims = made.rows.second, made.rows.dims
    given = second[dims:, dims:]
    regression = second[:dims, dims:] @ torch.linalg.pinv(given, hermitian=True)
    residual = second[:dims, :dims] - regression @ second[dims:, :dims]
    axes = torch.linalg.eigh(residual).eigenvectors.flip(1)[:, :L]
    best, omega, scale = optimum(trainer, moment_theta(second, dims=dims))
    encoder = scale[:, None] * axes.T
    with torch.no_grad():
        made.nets.encoders[0].weight.copy_(torch.cat([encoder, -encoder @ regression], dim=1))
        made.nets.decoders[0].weight.copy_(torch.cat([axes * omega, regression], dim=1))
        if trainer == "collapse_hvae":
            set_second_level(made.nets, best)
        else:
            made.nets.logvars[0].copy_(2 * torch.from_numpy(best.sigma).log())
    return made


def optimum(trainer, theta):
    """The numbers, the decoder's singular values and how the encoder scales each mode."""
    if trainer == "collapse_hvae":
        best = hierarchical_optimum(theta, latents=L, **LEVELS, **HVAE).numbers
        omega = best.omega_z1
    else:
        best = linear_vae_optimum(theta, latents=L, beta=1.0, **LEVELS)
        omega = best.omega
    return best, torch.from_numpy(omega), torch.from_numpy(best.lam / theta[:L])


def set_second_level(nets, best):
    omega = torch.from_numpy(best.omega)
    s = HVAE["beta1"] * omega**2 + HVAE["beta2"] * (LEVELS["eta_dec"] / LEVELS["eta_enc"]) ** 2
    nets.decoders[1].weight.copy_(omega.diag())
    nets.encoders[1].weight.copy_((HVAE["beta1"] * omega / s).diag())
    nets.logvars[1].copy_(2 * torch.from_numpy(best.sigma2).log())


@pytest.mark.parametrize("trainer", ["collapse_vae", "collapse_cvae", "collapse_hvae"])
def test_at_the_optimum_nothing_differs_and_elsewhere_by_as_much_as_it_was_moved(trainer):
    names = ["loss_gap", "kl_gap", "lam_gap", "omega_gap"]
    made = at_optimum(trainer)
    assert made.predicted.active[0].any()
    for value in made.evaluate(names).values():
        assert abs(value) < 1e-6
    made = at_optimum(trainer)
    with torch.no_grad():
        weight = made.nets.decoders[0].weight[:, :L]
        u, values, v = torch.linalg.svd(weight, full_matrices=False)
        values[0] += 0.3
        weight.copy_((u * values) @ v)
    moved = made.evaluate(names)
    assert moved["omega_gap"] == pytest.approx(0.3 / L, abs=1e-6)
    assert moved["loss_gap"] > 1e-3
    assert moved["lam_gap"] < 1e-6


def test_the_gap_of_kl_is_that_of_the_mode_furthest_off():
    made = at_optimum("collapse_vae")
    with torch.no_grad():
        logvar = made.nets.logvars[0]
        variance = logvar[0].exp().item() / 0.8**2
        logvar[0] += 0.3
    gap = 0.5 * (variance * (math.exp(0.3) - 1) - 0.3)
    assert made.evaluate(["kl_gap"])["kl_gap"] == pytest.approx(abs(gap), abs=1e-6)


def test_units_and_modes_count_in_units_of_the_priors_variance():
    """Of one dimension the variance, of another the second moment is between two thresholds."""
    made = at_optimum("collapse_vae")
    rows, weight = made.rows.numbers(slice(None)), made.nets.encoders[0].weight
    with torch.no_grad():
        mu = rows @ weight.T
        weight[0] *= (0.0075 / mu[:, 0].var(correction=0)).sqrt()
        weight[2] *= (0.0008 / mu[:, 2].square().mean()).sqrt()
        mu, variance = rows @ weight.T, made.nets.logvars[0].exp() / 0.8**2
    kl = 0.5 * (mu.square() / 0.8**2 + variance - 1 - variance.log())
    spread, moment = mu.var(dim=0, correction=0), mu.square().mean(dim=0)
    counts = [(spread > 0.01 * 0.8**2).sum(), (moment > 0.001 * 0.8**2).sum()]
    assert counts == [(spread > 0.01).sum() + 1, (moment > 0.001).sum() + 1]
    found = made.evaluate(["active_units", "active_modes", "active_pairs"])
    assert [found["active_units"], found["active_modes"]] == counts
    assert found["active_pairs"] == pytest.approx((kl >= 0.01).double().mean().item())


def test_more_latents_than_data_have_as_many_values():
    parameters = {"rho": 0.5, "dims": 3, "latent_dim": 5, "iterations": 600}
    made = load(TRAINERS["collapse_cvae"].trainer)(
        resolve_settings("collapse_cvae", {**parameters, **LEVELS}), seed=0
    )
    made.advance(600)
    assert made.evaluate(["omega_gap"])["omega_gap"] < 0.05


def test_networks_have_no_decoder_to_compare(tmp_path):
    settings = {"activation": "relu"}
    for trainer in ("collapse_vae", "collapse_cvae", "collapse_hvae"):
        assert "omega_gap" in metrics_for(trainer, {})
        names = metrics_for(trainer, settings)
        assert "lam_gap" in names
        assert "omega_gap" not in names
    file = tmp_path / "study.yaml"
    file.write_text(
        "name: s\ntrainer: collapse_vae\nmetric: {name: omega_gap, goal: minimize}\n"
        "groups: [variant]\nseeds: {select: [], report: [1]}\n"
        "parameters: {iterations: 10}\nvariants:\n  a: {}\n  b: {activation: relu}\n"
        "evaluate_every: 10\n"
    )
    with pytest.raises(ConfigError, match=r"only for activation: linear \(variant: b\)"):
        expand(load_study(file))
