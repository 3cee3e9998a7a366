"""The beta-ELBO as posterior collapse is studied with it, from averages over data and noise."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Level(NamedTuple):
    """One latent, averaged over the data and what is drawn before it.

    Attributes:
        means: [L, L] E[mu mu^T] of the posterior means.
        distance: [L, L] E[(z - m)(z - m)^T], m being the mean of z's prior given what it is
            generated from; the objective needs its diagonal alone.
        logvar: [L] of the posterior.
    """

    means: Tensor
    distance: Tensor
    logvar: Tensor


class Moments(NamedTuple):
    """All that the objective depends on.

    Attributes:
        error: squared error summed over data dimensions.
        levels: z, or z1 and z2.
    """

    error: Tensor
    levels: tuple[Level, ...]


class CollapseLoss(NamedTuple):
    """Terms of the negative beta-ELBO without (D/2) log(2 pi eta_dec^2), nats per data point.

    Attributes:
        total: what is minimised.
        rec: squared error / (2 eta_dec^2).
        kls: the unweighted KL of each level.
    """

    total: Tensor
    rec: Tensor
    kls: tuple[Tensor, ...]


def mean_kl(distance: Tensor, logvar: Tensor, prior_std: float) -> Tensor:
    """Averaged KL[N(mu, exp logvar) || N(m, prior_std^2)] by dimension, [L].

    It is linear in mean log-variance and mean squared distance, so that variances may depend on
    the data.

    Args:
        distance: [L] E[(z - m)^2].
        logvar: [L] E[log of the posterior's variance].
        prior_std: of the prior.
    """
    variance = prior_std**2
    scaled = logvar.exp() / variance
    return 0.5 * (distance / variance - 1 - scaled.log())


def collapse_loss(
    moments: Moments, *, betas: tuple[float, ...], eta_dec: float, prior_stds: tuple[float, ...]
) -> CollapseLoss:
    """Squared error / (2 eta_dec^2) plus the KL of each level times its beta.

    Source: Dang et al. (ICLR 2024), in one scaling for every model: `theory.linear` and
    `theory.hierarchical` are its minima.

    Args:
        moments: of data or of a batch.
        betas: weight of each level.
        eta_dec: standard deviation of the decoder's Gaussian.
        prior_stds: that of each level's prior.
    """
    rec = moments.error / (2 * eta_dec**2)
    kls = tuple(
        mean_kl(level.distance.diagonal(), level.logvar, std).sum()
        for level, std in zip(moments.levels, prior_stds, strict=True)
    )
    total = rec
    for beta, kl in zip(betas, kls, strict=True):
        total = total + beta * kl
    return CollapseLoss(total, rec, kls)
