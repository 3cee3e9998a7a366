"""The hierarchical closed forms, in all four cases, against direct minimisation."""

import itertools

import numpy as np
import pytest
import torch

from introsearch.theory.hierarchical import hierarchical_optimum
from tests.theory.reference import hierarchical_vae, minimise, spectrum_problem

THETA = [2.2, 1.4, 0.9, 0.4]
N = len(THETA)
SHAPES = [(N, N), (N, N), (N, N), (N, N), (N,), (N,)]


def setting(beta1=1.0, beta2=1.0, eta_dec=1.0, eta_enc=1.0, sigma1=None, sigma2=None):
    return {
        "beta1": beta1, "beta2": beta2, "eta_dec": eta_dec, "eta_enc": eta_enc,
        "sigma1": sigma1, "sigma2": sigma2,
    }  # fmt: skip


BOTH_FIXED = [
    setting(sigma1=0.8, sigma2=0.7),
    setting(beta2=3.0, eta_dec=0.5, sigma1=0.5, sigma2=0.6),
    setting(beta1=2.0, beta2=0.7, eta_dec=0.7, eta_enc=1.3, sigma1=0.6, sigma2=1.5),
    setting(beta1=0.5, beta2=2.0, eta_dec=0.6, eta_enc=0.8, sigma1=0.9, sigma2=0.9),
]
SECOND_LEARNABLE = [
    setting(sigma1=0.8),
    setting(sigma1=1.4),
    setting(beta2=3.0, eta_dec=0.5, sigma1=0.5),
    setting(beta1=2.0, beta2=1.5, eta_dec=0.8, eta_enc=1.4, sigma1=0.6),
]
FIRST_LEARNABLE = [
    setting(sigma2=0.7),
    setting(beta2=2.0, sigma2=0.9),
    setting(beta1=2.0, eta_dec=0.6, eta_enc=1.5, sigma2=1.2),
]
BOTH_LEARNABLE = [setting(beta2=1.5), setting(beta1=0.5, beta2=2.0, eta_dec=0.6, eta_enc=1.3)]


@pytest.mark.parametrize(
    "given", [*BOTH_FIXED, *SECOND_LEARNABLE, *FIRST_LEARNABLE, *BOTH_LEARNABLE]
)
def test_unique_minimum(given):
    best = hierarchical_optimum(THETA, latents=N, **given)
    objective = hierarchical_vae(spectrum_problem(THETA), **given)
    loss, (u1, v1, u2, _, log1, log2) = min(
        (minimise(objective, SHAPES, seed=seed) for seed in range(2)), key=lambda r: r[0]
    )
    assert best.minimum == "unique"
    assert best.loss == pytest.approx(loss, abs=1e-8)
    singular = [np.sort(torch.linalg.svdvals(m).numpy()) for m in (v1, u2, u1)]
    np.testing.assert_allclose(singular[0], np.sort(best.numbers.lam), atol=1e-3)
    np.testing.assert_allclose(singular[1], np.sort(best.numbers.omega), atol=1e-3)
    np.testing.assert_allclose(singular[2], np.sort(best.numbers.omega_z1), atol=1e-3)
    for name, log in (("sigma1", log1), ("sigma2", log2)):
        if given[name] is None:
            learnt = np.sort(log.exp().numpy())
            np.testing.assert_allclose(learnt, np.sort(getattr(best.numbers, name)), atol=1e-3)


@pytest.mark.parametrize(
    ("given", "latents_z2"), list(zip(SECOND_LEARNABLE, itertools.cycle([1, 3]), strict=False))
)
def test_fewer_dimensions_of_z2_than_of_z1(given, latents_z2):
    best = hierarchical_optimum(THETA, latents=N, latents_z2=latents_z2, **given)
    shapes = [(N, N), (N, N), (N, latents_z2), (latents_z2, N), (N,), (latents_z2,)]
    objective = hierarchical_vae(spectrum_problem(THETA), **given)
    loss, (_, v1, u2, _, _, log2) = min(
        (minimise(objective, shapes, seed=seed) for seed in range(3)), key=lambda r: r[0]
    )
    assert best.loss == pytest.approx(loss, abs=1e-8)
    n = best.numbers
    np.testing.assert_allclose(torch.linalg.svdvals(v1), np.sort(n.lam)[::-1], atol=1e-3)
    np.testing.assert_allclose(
        torch.linalg.svdvals(u2), np.sort(n.omega)[::-1][:latents_z2], atol=1e-3
    )
    np.testing.assert_allclose(
        np.sort(log2.exp().numpy()), np.sort(n.sigma2[:latents_z2]), atol=1e-3
    )


def test_a_learnable_second_variance_collapses_what_a_small_fixed_one_keeps():
    theta = [1.6, 1.3, 1.2, 1.0, 0.5]
    fixed = hierarchical_optimum(theta, latents=5, **setting(sigma1=0.8, sigma2=0.7))
    learnable = hierarchical_optimum(theta, latents=5, **setting(sigma1=0.8))
    assert fixed.numbers.active_z2.sum() == 5
    assert learnable.numbers.active_z2.sum() == 2
    np.testing.assert_array_equal(learnable.numbers.sigma2[2:], 1.0)
    np.testing.assert_array_equal(learnable.numbers.kl_z2[2:], 0.0)


def test_a_large_fixed_second_variance_collapses_more():
    given = {"beta2": 3.0, "eta_dec": 0.5, "eta_enc": 0.5, "sigma1": 0.5}
    fixed = hierarchical_optimum([1.6, 1.0], latents=2, **setting(**given, sigma2=0.6))
    learnable = hierarchical_optimum([1.6, 1.0], latents=2, **setting(**given))
    assert fixed.numbers.active_z2.sum() == 0
    assert learnable.numbers.active_z2.sum() == 1


def test_thresholds_with_a_learnable_second_variance():
    """z2 lives above beta2 eta_dec^2 / (sqrt(beta1) sigma1), z1 above sqrt(beta1) sigma1."""
    given = setting(beta2=1.2, eta_dec=0.9, sigma1=0.7)
    for threshold, name in ((1.2 * 0.81 / 0.7, "omega"), (0.7, "lam")):
        for factor, alive in ((0.999, False), (1.001, True)):
            best = hierarchical_optimum([threshold * factor], latents=1, **given)
            assert (getattr(best.numbers, name)[0] > 0) == alive


def test_equal_betas_are_flat():
    """Any use of z2 gives the same loss, so no number is given for it."""
    best = hierarchical_optimum(THETA, latents=N, **setting())
    assert best.minimum == "flat"
    assert best.numbers is None
    assert best.active.sum() == 2
    objective = hierarchical_vae(spectrum_problem(THETA), **setting())
    ends = [minimise(objective, SHAPES, seed=seed) for seed in range(2)]
    for loss, _ in ends:
        assert best.loss == pytest.approx(loss, abs=1e-7)
    spectra = [torch.linalg.svdvals(parameters[2]) for _, parameters in ends]
    assert (spectra[0] - spectra[1]).abs().max() > 0.05


def test_a_smaller_second_beta_has_no_minimum():
    given = setting(beta1=2.0)
    best = hierarchical_optimum(THETA, latents=N, **given)
    assert (best.minimum, best.loss, best.active, best.numbers) == ("none", None, None, None)
    objective = hierarchical_vae(spectrum_problem(THETA), **given)
    early, _ = minimise(objective, SHAPES, seed=0, iterations=30)
    late, _ = minimise(objective, SHAPES, seed=0, iterations=300)
    assert late < early - 0.5
