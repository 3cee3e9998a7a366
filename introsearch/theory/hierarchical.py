"""The optimum of the linear Markovian hierarchical VAE with two latents, mode by mode.

q(z1|x) = N(W1 x, Sigma1), q(z2|z1) = N(W2 z1, Sigma2); p(z2) = N(0, eta_enc^2 I),
p(z1|z2) = N(U2 z2, eta_dec^2 I), p(x|z1) = N(U1 z1, eta_dec^2 I). What is minimised is

    squared error / (2 eta_dec^2) + beta1 KL1 + beta2 KL2

with KL1 = E log q(z1|x) / p(z1|z2) and KL2 = E KL[q(z2|z1) || p(z2)] (Dang et al., ICLR 2024). KL1
is negative where z2, drawn given z1, says more of z1 than x does.
Each mode has one unit of z1 and of z2. With t = lam^2 + sigma1^2, the variance of z1, and
s = beta1 omega^2 + beta2 c^2, c = eta_dec / eta_enc, the loss of a mode is a function of t, s and
the variances alone; every case below is its minimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from introsearch.errors import ConfigError
from introsearch.theory.checks import check_positive, check_theta
from introsearch.theory.linear import gaussian_kl, modes

Floats = NDArray[np.float64]
Minimum = Literal["unique", "flat", "none"]


@dataclass(frozen=True, kw_only=True)
class HierarchicalOptimum:
    """The global minimum; arrays have an entry per latent mode, the strongest first.

    Attributes:
        minimum: ``unique``; ``flat`` (beta2 = beta1, both variances learnable: whether z2 is used
            makes no difference to the loss); or ``none`` (beta2 < beta1, both learnable: the loss
            has no lower bound and training diverges slowly).
        theta: singular values of the data, zeros beyond its dimensions.
        active: which modes of z1 depend on the data; None without a minimum.
        numbers: the rest; None unless the minimum is unique.
        loss: negative beta-ELBO without its constant, nats per data point; None without a minimum.
    """

    minimum: Minimum
    theta: Floats
    active: NDArray[np.bool_] | None
    numbers: HierarchicalNumbers | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class HierarchicalNumbers:
    """What a unique minimum consists of, an entry per mode.

    Attributes:
        active_z2: which modes of z2 generate z1 (omega > 0).
        kl_z1: KL1 of each mode, nats.
        kl_z2: KL2 of each mode, nats.
        lam: singular values of the whitened encoder V1.
        omega_z1: singular values of U1, the decoder of z1.
        omega: singular values of U2.
        sigma1: standard deviations of q(z1|x).
        sigma2: standard deviations of q(z2|z1).
    """

    active_z2: NDArray[np.bool_]
    kl_z1: Floats
    kl_z2: Floats
    lam: Floats
    omega_z1: Floats
    omega: Floats
    sigma1: Floats
    sigma2: Floats


class _Setting(NamedTuple):
    beta1: float
    beta2: float
    eta_dec: float
    eta_enc: float

    @property
    def floor(self) -> float:
        """The least s, at which z2 has collapsed."""
        return self.beta2 * (self.eta_dec / self.eta_enc) ** 2


class _Scalars(NamedTuple):
    t: Floats
    s: Floats
    sigma1: Floats
    sigma2: Floats


def hierarchical_optimum(
    theta: Sequence[float] | Floats,
    *,
    latents: int,
    beta1: float,
    beta2: float,
    eta_dec: float,
    eta_enc: float = 1.0,
    sigma1: float | None = None,
    sigma2: float | None = None,
    latents_z2: int | None = None,
) -> HierarchicalOptimum:
    """The optimum of a linear hierarchical VAE.

    Args:
        theta: all singular values of the data, largest first (`Spectrum.theta`).
        latents: dimensions of z1, and of z2 unless given.
        beta1: weight of KL1.
        beta2: weight of KL2.
        eta_dec: standard deviation of both decoders.
        eta_enc: standard deviation of the prior of z2.
        sigma1: fixed standard deviation of q(z1|x); None learns one per dimension.
        sigma2: fixed standard deviation of q(z2|z1); None learns one per dimension.
        latents_z2: fewer dimensions of z2, with sigma1 alone fixed: they serve the strongest modes.
            Modes without any have numbers of z2 as if it had collapsed.

    Raises:
        ConfigError: a number that must be positive is not, or more dimensions of z2 than of z1, or
            fewer with other variances.
    """
    given = {"sigma1": sigma1, "sigma2": sigma2}
    check_positive(latents=latents, beta1=beta1, beta2=beta2, eta_dec=eta_dec, eta_enc=eta_enc)
    check_positive(**{name: value for name, value in given.items() if value is not None})
    if latents_z2 is not None:
        _check_latents_z2(latents_z2, latents, sigma1, sigma2)
    spectrum, setting = check_theta(theta), _Setting(beta1, beta2, eta_dec, eta_enc)
    theta_z = modes(spectrum, latents)
    rest = float((spectrum[latents:] ** 2).sum()) / (2 * eta_dec**2)
    if sigma1 is None and sigma2 is None and beta2 < beta1:
        return HierarchicalOptimum(
            minimum="none", theta=theta_z, active=None, numbers=None, loss=None
        )
    scalars = _minimise(theta_z, setting, sigma1, sigma2)
    if latents_z2 is not None:
        scalars = _for_strongest(latents_z2, theta_z, setting, scalars)
    numbers, loss = _numbers(theta_z, setting, scalars)
    flat = sigma1 is None and sigma2 is None and beta2 == beta1
    return HierarchicalOptimum(
        minimum="flat" if flat else "unique",
        theta=theta_z,
        active=numbers.lam > 0,
        numbers=None if flat else numbers,
        loss=loss + rest,
    )


def _minimise(
    theta: Floats, setting: _Setting, sigma1: float | None, sigma2: float | None
) -> _Scalars:
    if sigma1 is None:
        return _learnable_sigma1(theta, setting, sigma2)
    if sigma2 is None:
        return _learnable_sigma2(theta, setting, sigma1)
    return _fixed(theta, setting, sigma1, sigma2)


def _fixed(theta: Floats, setting: _Setting, sigma1: float, sigma2: float) -> _Scalars:
    """Both variances fixed (Theorem 5)."""
    beta1, floor = setting.beta1, setting.floor
    root = (beta1 * floor) ** 0.5  # sqrt(beta1 beta2) c
    both = theta >= max((root * sigma1 * sigma2) ** 0.5, floor * sigma2**2 / beta1**0.5 / sigma1)
    s_both = (root * theta * sigma1 / sigma2**2) ** (2 / 3)
    t_both = s_both**2 * sigma2**2 / (beta1 * floor)
    if sigma1 * beta1**0.5 >= sigma2 * (floor**0.5):  # z1 collapses first, and z2 encodes its noise
        s_else, t_else = np.full_like(theta, root * sigma1 / sigma2), np.full_like(theta, sigma1**2)
    else:
        s_else = np.full_like(theta, floor)
        t_else = np.maximum(sigma1**2, theta * sigma1 / beta1**0.5)
    return _Scalars(
        t=np.maximum(np.where(both, t_both, t_else), sigma1**2),
        s=np.maximum(np.where(both, s_both, s_else), floor),
        sigma1=np.full_like(theta, sigma1),
        sigma2=np.full_like(theta, sigma2),
    )


def _learnable_sigma2(theta: Floats, setting: _Setting, sigma1: float) -> _Scalars:
    """Only the second variance learnable (Theorem 3)."""
    beta1, noise2 = setting.beta1, setting.beta2 * setting.eta_dec**2
    both = (theta**2 >= noise2) & (theta >= noise2 / (beta1**0.5 * sigma1))
    scale = beta1 * setting.floor / noise2  # s = scale * t where z2 is active
    if sigma1**2 >= noise2 / beta1:
        t_else = np.full_like(theta, sigma1**2)
        s_else = scale * t_else
    else:
        t_else, s_else, *_ = _without_z2(theta, setting, sigma1)
    t = np.maximum(np.where(both, theta**2 * sigma1**2 / noise2, t_else), sigma1**2)
    s = np.maximum(np.where(both, scale * t, s_else), setting.floor)
    return _Scalars(t=t, s=s, sigma1=np.full_like(theta, sigma1), sigma2=np.sqrt(noise2 / s))


def _without_z2(theta: Floats, setting: _Setting, sigma1: float) -> _Scalars:
    """Where z2 says nothing of z1, its posterior being its prior."""
    return _Scalars(
        t=np.maximum(sigma1**2, theta * sigma1 / setting.beta1**0.5),
        s=np.full_like(theta, setting.floor),
        sigma1=np.full_like(theta, sigma1),
        sigma2=np.full_like(theta, setting.eta_enc),
    )


def _for_strongest(
    latents_z2: int, theta: Floats, setting: _Setting, scalars: _Scalars
) -> _Scalars:
    """What z2 gains in a mode does not fall with theta: its units serve the strongest ones."""
    t, s, sigma1, sigma2 = (values.copy() for values in scalars)
    weak = slice(latents_z2, None)
    if len(theta) > latents_z2:
        t[weak], s[weak], _, sigma2[weak] = _without_z2(theta[weak], setting, sigma1[0])
    return _Scalars(t, s, sigma1, sigma2)


def _check_latents_z2(
    latents_z2: int, latents: int, sigma1: float | None, sigma2: float | None
) -> None:
    check_positive(latents_z2=latents_z2)
    if latents_z2 > latents:
        raise ConfigError(
            f"{latents_z2} is above the {latents} dimensions of z1",
            key="latents_z2",
            hint=f"1 to {latents}",
        )
    if latents_z2 < latents and (sigma1 is None or sigma2 is not None):
        raise ConfigError(
            "fewer dimensions of z2 have a closed form with sigma1 fixed and sigma2 learnt only",
            key="latents_z2",
            hint="give sigma1 and leave out sigma2, or leave out latents_z2",
        )


def _learnable_sigma1(theta: Floats, setting: _Setting, sigma2: float | None) -> _Scalars:
    """The first variance learnable; of equally good minima the one where z2 has collapsed."""
    noise1, eta_dec = setting.beta1 * setting.eta_dec**2, setting.eta_dec
    s = setting.floor if sigma2 is None else max(setting.floor, noise1 / sigma2**2)
    t = eta_dec**2 * s / setting.floor
    share = np.where(theta**2 > noise1, noise1 / np.maximum(theta**2, noise1), 1.0)
    return _Scalars(
        t=np.full_like(theta, t),
        s=np.full_like(theta, s),
        sigma1=np.sqrt(share * t),
        sigma2=np.full_like(theta, setting.eta_enc if sigma2 is None else sigma2),
    )


def _numbers(
    theta: Floats, setting: _Setting, scalars: _Scalars
) -> tuple[HierarchicalNumbers, float]:
    """All quantities of a minimum, and its loss within the latent modes."""
    t, s, sigma1, sigma2 = scalars
    lam2, omega2 = (
        np.where(excess > 1e-12 * whole, excess, 0.0)
        for excess, whole in ((t - sigma1**2, t), ((s - setting.floor) / setting.beta1, s))
    )
    w2 = setting.beta1 * np.sqrt(omega2) / s
    z1_moment = (1 - np.sqrt(omega2) * w2) ** 2 * t + omega2 * sigma2**2
    kl_z1 = gaussian_kl(z1_moment, sigma1, setting.eta_dec)
    kl_z2 = np.maximum(gaussian_kl(w2**2 * t + sigma2**2, sigma2, setting.eta_enc), 0.0)
    error = theta**2 * np.where(lam2 > 0, sigma1**2 / t, 1.0)
    loss = error / (2 * setting.eta_dec**2) + setting.beta1 * kl_z1 + setting.beta2 * kl_z2
    numbers = HierarchicalNumbers(
        active_z2=omega2 > 0,
        kl_z1=kl_z1,
        kl_z2=kl_z2,
        lam=np.sqrt(lam2),
        omega_z1=np.sqrt(lam2) * theta / t,
        omega=np.sqrt(omega2),
        sigma1=sigma1,
        sigma2=sigma2,
    )
    return numbers, float(loss.sum())
