"""The optimum of the linear VAE and of the linear conditional VAE, mode by mode.

Source: Dang et al., Beyond Vanilla VAEs: Detecting Posterior Collapse in Conditional and
Hierarchical VAEs (ICLR 2024). What is minimised, here and by the trainers, is the negative
beta-ELBO per data point without its constant (D/2) log(2 pi eta_dec^2):

    squared error / (2 eta_dec^2) + beta KL[q(z|x) || N(0, eta_enc^2 I)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from introsearch.errors import ConfigError
from introsearch.theory.checks import check_positive, check_theta

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LinearOptimum:
    """The global minimum; arrays have an entry per latent mode, the strongest first.

    Modes are latent coordinates unless all fixed variances are equal: then the posterior means may
    be rotated at will, and no single coordinate collapses.

    Attributes:
        theta: singular values of the data (or of its residual), zeros beyond its dimensions.
        threshold: the eigenvalue theta^2 above which each mode is active.
        active: which modes have a mean that depends on the data.
        kl: data-averaged KL of each mode, nats.
        lam: singular values of the whitened encoder V.
        omega: singular values of the decoder U.
        sigma: posterior standard deviations.
        loss: negative beta-ELBO without its constant, nats per data point.
    """

    theta: Floats
    threshold: Floats
    active: NDArray[np.bool_]
    kl: Floats
    lam: Floats
    omega: Floats
    sigma: Floats
    loss: float


def linear_vae_optimum(
    theta: Sequence[float] | Floats,
    *,
    latents: int,
    beta: float,
    eta_dec: float,
    eta_enc: float = 1.0,
    sigma: float | Sequence[float] | None = None,
) -> LinearOptimum:
    """The optimum of a linear VAE; of a conditional one if theta is that of the residual.

    Args:
        theta: all singular values of the data, largest first (`Spectrum.theta`).
        latents: latent dimensions.
        beta: weight of the KL.
        eta_dec: standard deviation of the decoder's Gaussian, in units of the data.
        eta_enc: standard deviation of the prior.
        sigma: fixed posterior standard deviations, one for all or one per latent dimension; None
            learns them.

    Raises:
        ConfigError: a number that must be positive is not.
    """
    check_positive(latents=latents, beta=beta, eta_dec=eta_dec, eta_enc=eta_enc)
    spectrum = check_theta(theta)
    theta_z = modes(spectrum, latents)
    rest = float((spectrum[latents:] ** 2).sum())
    if sigma is None:
        lam, omega, std = _learnable(theta_z, beta=beta, eta_dec=eta_dec, eta_enc=eta_enc)
        threshold = np.full(latents, beta * eta_dec**2)
    else:
        std = _fixed_sigma(sigma, latents)
        b = beta**0.5 * eta_dec / eta_enc
        lam, omega = _fixed(theta_z, std, b=b)
        threshold = (b * std) ** 2
    kl = np.maximum(gaussian_kl(lam**2 + std**2, std, eta_enc), 0.0)  # of rounding errors
    error = (theta_z - omega * lam) ** 2 + (omega * std) ** 2
    return LinearOptimum(
        theta=theta_z,
        threshold=threshold,
        active=lam > 0,
        kl=kl,
        lam=lam,
        omega=omega,
        sigma=std,
        loss=float((rest + error.sum()) / (2 * eta_dec**2) + beta * kl.sum()),
    )


def gaussian_kl(second_moment: Floats, std: Floats, prior_std: float) -> Floats:
    """Data-averaged KL[N(mu, std^2) || N(0, prior_std^2)], second_moment being E mu^2 + std^2."""
    ratio = std**2 / prior_std**2
    kl: Floats = 0.5 * (second_moment / prior_std**2 - 1 - np.log(ratio))
    return kl


def modes(theta: Floats, latents: int) -> Floats:
    """The strongest `latents` singular values, with zeros where the data has fewer."""
    return np.pad(theta, (0, max(0, latents - len(theta))))[:latents]


def _learnable(
    theta: Floats, *, beta: float, eta_dec: float, eta_enc: float
) -> tuple[Floats, Floats, Floats]:
    """Theorem 1: a mode is active iff theta^2 > beta eta_dec^2, whatever eta_enc is."""
    noise = beta * eta_dec**2
    excess = np.sqrt(np.clip(theta**2 - noise, 0.0, None))
    safe = np.where(excess > 0, theta, 1.0)
    lam = eta_enc * excess / safe
    std = eta_enc * np.where(excess > 0, noise**0.5 / safe, 1.0)
    return lam, excess / eta_enc, std


def _fixed(theta: Floats, sigma: Floats, *, b: float) -> tuple[Floats, Floats]:
    """The smallest variance serves the strongest mode, which is active iff theta > b sigma."""
    excess = np.clip(theta - b * sigma, 0.0, None)
    return np.sqrt(sigma * excess / b), np.sqrt(b * excess / sigma)


def _fixed_sigma(sigma: float | Sequence[float], latents: int) -> Floats:
    values = np.atleast_1d(np.asarray(sigma, dtype=np.float64))
    check_positive(sigma=float(values.min(initial=np.inf)))
    if len(values) not in (1, latents):
        raise ConfigError(
            f"{len(values)} values for {latents} latent dimensions",
            key="sigma",
            hint="one for all, or one for each",
        )
    return np.sort(np.broadcast_to(values, latents))
