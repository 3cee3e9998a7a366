"""The linear closed forms against direct minimisation on full matrices."""

import numpy as np
import pytest
import torch

from introsearch.errors import ConfigError
from introsearch.theory.linear import linear_vae_optimum
from introsearch.theory.spectrum import data_spectrum
from tests.theory.reference import linear_vae, minimise, spectrum_problem

THETA = [2.0, 1.3, 0.9, 0.5, 0.2]


def singular_values(matrix, n):
    values = torch.linalg.svdvals(matrix).numpy()
    return np.pad(values, (0, max(0, n - len(values))))[:n]


@pytest.mark.parametrize("latents", [3, 5, 6])
@pytest.mark.parametrize(
    ("beta", "eta_dec", "eta_enc"), [(1.0, 0.7, 1.0), (2.0, 0.5, 1.5), (0.3, 1.0, 0.6)]
)
def test_learnable_variance(latents, beta, eta_dec, eta_enc):
    best = linear_vae_optimum(THETA, latents=latents, beta=beta, eta_dec=eta_dec, eta_enc=eta_enc)
    objective = linear_vae(spectrum_problem(THETA), beta=beta, eta_dec=eta_dec, eta_enc=eta_enc)
    shapes = [(5, latents), (latents, 5), (latents,)]
    loss, (u, v, log_sigma) = minimise(objective, shapes, seed=0)
    assert best.loss == pytest.approx(loss, abs=1e-10)
    np.testing.assert_allclose(singular_values(u, latents), best.omega, atol=2e-5)
    np.testing.assert_allclose(singular_values(v, latents), best.lam, atol=2e-5)
    np.testing.assert_allclose(np.sort(log_sigma.exp().numpy()), np.sort(best.sigma), atol=2e-5)
    std = log_sigma.exp()
    kl = 0.5 * ((v.square().sum(1) + std**2) / eta_enc**2 - 1 - (std**2 / eta_enc**2).log())
    np.testing.assert_allclose(np.sort(kl.numpy()), np.sort(best.kl), atol=2e-5)


def test_threshold_and_kl_do_not_depend_on_the_priors_width():
    one, other = (
        linear_vae_optimum(THETA, latents=5, beta=1.0, eta_dec=0.8, eta_enc=e) for e in (1.0, 3.0)
    )
    assert (one.active == (np.array(THETA) ** 2 > 0.64)).all()
    assert (one.active == other.active).all()
    np.testing.assert_allclose(one.kl, other.kl, atol=1e-14)
    np.testing.assert_allclose(one.kl, np.log(np.maximum(np.array(THETA) / 0.8, 1)), atol=1e-14)


@pytest.mark.parametrize("sigma", [[0.5, 1.0, 0.2, 2.0, 0.7], 0.5, [3.0, 0.1, 0.4, 0.8, 0.3]])
@pytest.mark.parametrize(("beta", "eta_dec", "eta_enc"), [(1.0, 0.7, 1.0), (2.0, 0.5, 1.5)])
def test_fixed_variance(sigma, beta, eta_dec, eta_enc):
    best = linear_vae_optimum(
        THETA, latents=5, beta=beta, eta_dec=eta_dec, eta_enc=eta_enc, sigma=sigma
    )
    std = torch.tensor(np.broadcast_to(np.float64(sigma), 5).copy())
    objective = linear_vae(
        spectrum_problem(THETA), beta=beta, eta_dec=eta_dec, eta_enc=eta_enc, sigma=std
    )
    loss, (u, v) = min(
        (minimise(objective, [(5, 5), (5, 5)], seed=seed) for seed in range(2)), key=lambda r: r[0]
    )
    assert best.loss == pytest.approx(loss, abs=1e-10)
    np.testing.assert_allclose(singular_values(u, 5), np.sort(best.omega)[::-1], atol=2e-5)
    np.testing.assert_allclose(singular_values(v, 5), np.sort(best.lam)[::-1], atol=2e-5)
    width = np.sort(np.broadcast_to(sigma, 5))
    np.testing.assert_allclose(best.threshold, beta * (eta_dec * width / eta_enc) ** 2)
    assert (best.active == (np.square(THETA) > best.threshold)).all()


def conditional_objective(x, y, *, beta, eta_dec, eta_enc):
    """The conditional model on data matrices, [N, .]: nothing of the reduction is used."""

    def objective(w1, w2, u1, u2, log_sigma):
        var = (2 * log_sigma).exp()
        mu = x @ w1.T + y @ w2.T
        error = (y - mu @ u1.T - x @ u2.T).square().sum(1).mean() + (u1.square() * var).sum()
        moment = mu.square().mean(0) + var
        kl = 0.5 * (moment / eta_enc**2 - 1 - (var / eta_enc**2).log()).sum()
        return error / (2 * eta_dec**2) + beta * kl

    return objective


@pytest.mark.parametrize(("beta", "eta_dec", "eta_enc"), [(1.0, 0.6, 1.0), (3.0, 0.3, 0.7)])
def test_conditional(beta, eta_dec, eta_enc):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    mix = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    y = x @ mix + noise * torch.tensor([1.5, 1.0, 0.6, 0.2], dtype=torch.float64) + 0.3
    theta = data_spectrum(y.numpy(), condition=x.numpy()).theta
    best = linear_vae_optimum(theta, latents=4, beta=beta, eta_dec=eta_dec, eta_enc=eta_enc)
    objective = conditional_objective(x, y, beta=beta, eta_dec=eta_dec, eta_enc=eta_enc)
    loss, (_, _, u1, _, log_sigma) = minimise(
        objective, [(4, 3), (4, 4), (4, 4), (4, 3), (4,)], seed=1
    )
    assert 0 < best.active.sum() < 4
    assert best.loss == pytest.approx(loss, abs=1e-9)
    np.testing.assert_allclose(singular_values(u1, 4), best.omega, atol=1e-4)
    np.testing.assert_allclose(np.sort(log_sigma.exp().numpy()), np.sort(best.sigma), atol=1e-4)


@pytest.mark.parametrize("rho", [0.0, 0.25, 0.5, 1.0])
def test_correlation_collapses(rho):
    """x = rho y + sqrt(1 - rho^2) n leaves a residual variance of 1 - rho^2."""
    rng = np.random.default_rng(0)
    y, n = rng.standard_normal((2, 20_000, 3))
    theta = data_spectrum(y, condition=rho * y + (1 - rho**2) ** 0.5 * n).theta
    np.testing.assert_allclose(theta**2, 1 - rho**2, atol=0.04)
    best = linear_vae_optimum(theta, latents=3, beta=1.0, eta_dec=0.5)
    assert best.active.all() == (rho < 1)
    assert best.active.any() == (rho < 1)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"beta": 0.0}, "beta"),
        ({"eta_dec": -1.0}, "eta_dec"),
        ({"eta_enc": float("nan")}, "eta_enc"),
        ({"latents": 0}, "latents"),
        ({"sigma": 0.0}, "sigma"),
        ({"sigma": [0.5, 0.5]}, "sigma"),
        ({"theta": []}, "theta"),
        ({"theta": [1.0, -1.0]}, "theta"),
    ],
)
def test_bad_numbers_are_refused(arguments, key):
    good = {"theta": THETA, "latents": 5, "beta": 1.0, "eta_dec": 1.0}
    with pytest.raises(ConfigError) as error:
        linear_vae_optimum(**{**good, **arguments})
    assert error.value.key == key
