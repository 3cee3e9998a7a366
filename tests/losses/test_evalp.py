"""The identities behind EVaLP, on grids and against WGAN-GP."""

import math

import pytest
import torch
from scipy import optimize
from torch.nn import functional

from introsearch.losses.evalp import (
    contrastive_loss,
    critic_loss,
    gradient_penalty,
    on_segments,
    sampler_loss,
)

AXIS = torch.linspace(-12, 12, 4001, dtype=torch.float64)
STEP = float(AXIS[1] - AXIS[0])


def normal(mean, std):
    """Sums to one on the grid, so that identities hold exactly there."""
    log_density = torch.distributions.Normal(mean, std).log_prob(AXIS)
    return log_density - log_density.logsumexp(0) - math.log(STEP)


def integral(values):
    return float(values.sum() * STEP)


def kl(log_p, log_q):
    return integral(log_p.exp() * (log_p - log_q))


def test_upper_bound_exceeds_the_elbo_by_the_samplers_divergence():
    """log Z <= -(...) with the gap KL(p_g || p_psi), whatever f and g."""
    f, log_base, log_g = 0.3 * AXIS.sin() + 0.1 * AXIS.square(), normal(0.0, 1.0), normal(0.4, 0.8)
    log_z = math.log(integral((log_base - f).exp()))
    log_psi = log_base - f - log_z
    g = log_g.exp()
    entropy = -integral(g * log_g)
    upper = integral(g * f) - entropy - integral(g * log_base)  # in place of -log Z
    assert upper - -log_z == pytest.approx(kl(log_g, log_psi), abs=1e-12)
    loss = integral(g * f) + kl(log_g, log_base)
    assert upper == pytest.approx(loss, abs=1e-12)


@pytest.mark.parametrize(("m", "w"), [(0.5, 1.0), (3.0, 0.5), (2.0, 0.1), (2.0, 0.6)])
def test_lipschitz_law(m, w):
    """For q = N(m, 1), slopes within [-1, 1]: f falls by min(1, w m), g = N(min(m, 1/w), 1).

    The dual, max over f of -E_q f - w log E_p0 exp(-f / w), is concave in f's slopes.
    """
    axis = torch.linspace(-8, 11, 96, dtype=torch.float64)
    step = float(axis[1] - axis[0])
    q, base = (
        torch.softmax(torch.distributions.Normal(mean, 1.0).log_prob(axis), 0) for mean in (m, 0.0)
    )

    def dual(slopes):
        s = torch.tensor(slopes, requires_grad=True)
        f = torch.cat([s.new_zeros(1), s.cumsum(0) * step])
        value = (q * f).sum() + w * (base.log() - f / w).logsumexp(0)
        value.backward()
        return value.item(), s.grad.numpy()

    start = [0.0] * (len(axis) - 1)
    found = optimize.minimize(
        dual, start, jac=True, method="L-BFGS-B", bounds=[(-1, 1)] * len(start),
        options={"maxiter": 3000, "ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    a = min(m, 1 / w)
    assert -found.fun == pytest.approx((m - a) + w * a**2 / 2, abs=2e-4)
    f = torch.cat([torch.zeros(1), torch.tensor(found.x).cumsum(0) * step])
    sampler = torch.softmax(base.log() - f / w, 0)
    assert (sampler * axis).sum().item() == pytest.approx(a, abs=5e-3)


def test_both_steps_are_those_of_wgan_gp_for_d_equal_to_minus_f():
    f_positive, f_negative, slopes = torch.randn(9), torch.randn(9), torch.randn(9, 4)
    loss = critic_loss(f_positive, f_negative, slopes, penalty_weight=10.0)
    d_real, d_fake = -f_positive, -f_negative
    penalty = ((-slopes).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(loss.total, d_fake.mean() - d_real.mean() + 10 * penalty)
    assert torch.equal(
        sampler_loss(f_negative, torch.randn(9), torch.randn(9), kl_weight=0.0).total,
        -d_fake.mean(),
    )


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0, 2.5])
def test_penalty_of_a_linear_energy(length):
    slopes = torch.tensor([[0.6 * length, 0.8 * length]]).repeat(5, 1)
    assert gradient_penalty(slopes).item() == pytest.approx((length - 1) ** 2, abs=1e-6)
    one_sided = gradient_penalty(slopes, one_sided=True).item()
    assert one_sided == pytest.approx(max(0.0, length - 1) ** 2, abs=1e-6)


def test_segments_run_between_the_two_points():
    a, b = torch.ones(3, 2), torch.zeros(3, 2)
    points = on_segments(a, b, torch.tensor([[0.0], [0.25], [1.0]]))
    assert points.tolist() == [[0, 0], [0.25, 0.25], [1, 1]]


@pytest.mark.parametrize("w", [1.0, 0.4])
def test_samplers_loss_exceeds_its_bound_by_the_divergence_from_the_energys_density(w):
    """With f = a z, exp(-f / w) p_0 / Z is N(-a / w, 1) and log Z = (a / w)^2 / 2, so that the loss
    is w (KL[p_g || p_psi] - log Z)."""
    a = 0.6
    z = 0.7 + 0.5 * torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0))
    g, base = torch.distributions.Normal(0.7, 0.5), torch.distributions.Normal(0.0, 1.0)
    loss = sampler_loss(a * z[:, 0], g.log_prob(z)[:, 0], base.log_prob(z)[:, 0], kl_weight=w)
    to_base, to_energy = (
        torch.distributions.kl_divergence(g, torch.distributions.Normal(mean, 1.0)).item()
        for mean in (0.0, -a / w)
    )
    assert loss.kl.item() == pytest.approx(to_base, abs=5e-3)
    assert loss.total.item() == pytest.approx(w * (to_energy - (a / w) ** 2 / 2), abs=5e-3)


def test_contrastive_minimum_is_the_log_ratio():
    """On a grid, the gradient of the expected loss vanishes at f = log p_0 - log q."""
    log_base, log_q = normal(0.0, 1.0), normal(0.8, 0.6)
    f = (log_base - log_q).clone().requires_grad_()
    loss = (log_q.exp() * functional.softplus(f)).sum() + (
        log_base.exp() * functional.softplus(-f)
    ).sum()
    (slope,) = torch.autograd.grad(loss, f)
    assert slope.abs().max() < 1e-14
    positive, negative = torch.randn(6), torch.randn(6)
    expected = functional.binary_cross_entropy_with_logits(
        -positive, torch.ones(6)
    ) + functional.binary_cross_entropy_with_logits(-negative, torch.zeros(6))
    torch.testing.assert_close(contrastive_loss(positive, negative), expected)


def test_losses_run_under_vmap():
    f = torch.randn(3, 8)
    slopes = torch.randn(3, 8, 2)
    stacked = torch.func.vmap(lambda a, b, s: critic_loss(a, b, s, penalty_weight=10.0).total)(
        f, -f, slopes
    )
    one = critic_loss(f[1], -f[1], slopes[1], penalty_weight=10.0).total
    torch.testing.assert_close(stacked[1], one)
