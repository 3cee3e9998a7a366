"""The objectives of EVaLP (Dutta et al., arXiv 2510.00260), and of the baselines it is judged by.

The energy f and the sampler g play min over g, max over f of

    E_g[f] - E_q[f] + w KL(p_g || p_0) - lambda * gradient penalty,

q being the aggregate posterior and p_0 the prior that the VAE was trained with. With f unrestricted
and w = 1 the solution is p_g = q and f = log p_0 - log q. The gradient penalty confines f to slopes
of about 1, and then the solution is p_g = exp(-f / w) p_0 / Z, which equals q only where
w |grad log(p_0 / q)| <= 1: the smaller w, the closer the sampler gets to q. As w goes to 0, f
becomes a Kantorovich potential of the Wasserstein distance, which says nothing about densities.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class CriticLoss(NamedTuple):
    """Scalars; `total` is what the energy minimises.

    `gap` is E_g[f] - E_q[f], an estimate of the Wasserstein distance between q and p_g.
    """

    total: Tensor
    gap: Tensor
    penalty: Tensor


class SamplerLoss(NamedTuple):
    """Scalars; `total` is what the sampler minimises."""

    total: Tensor
    energy: Tensor
    kl: Tensor


def critic_loss(
    f_positive: Tensor,
    f_negative: Tensor,
    slopes: Tensor,
    *,
    penalty_weight: float,
    one_sided: bool = False,
) -> CriticLoss:
    """E_q[f] - E_g[f] + lambda * gradient penalty: the critic loss of WGAN-GP for D = -f.

    Args:
        f_positive: [B] energies of posterior samples.
        f_negative: [B] energies of the sampler's points.
        slopes: [B, L] gradients of f on segments between the two (`on_segments`).
        penalty_weight: lambda.
        one_sided: penalise only slopes above 1.
    """
    gap = f_negative.mean() - f_positive.mean()
    penalty = gradient_penalty(slopes, one_sided=one_sided)
    return CriticLoss(penalty_weight * penalty - gap, gap, penalty)


def gradient_penalty(slopes: Tensor, *, one_sided: bool = False) -> Tensor:
    """Mean of (|grad f| - 1)^2, or of max(0, |grad f| - 1)^2.

    The two-sided form pushes slopes to 1 even where the solution is flatter, so that the last
    iterates oscillate around it: let the learning rate fall, and average the sampler's weights.
    """
    excess = torch.linalg.vector_norm(slopes, dim=-1) - 1
    return (excess.clamp(min=0) if one_sided else excess).square().mean()


def on_segments(z_positive: Tensor, z_negative: Tensor, share: Tensor) -> Tensor:
    """share * z_positive + (1 - share) * z_negative, with [B, 1] shares from U(0, 1)."""
    return z_negative + share * (z_positive - z_negative)


def sampler_loss(
    f: Tensor, log_p_sampler: Tensor, log_p_base: Tensor, *, kl_weight: float
) -> SamplerLoss:
    """E_g[f] + w KL(p_g || p_0), from the sampler's own points.

    Args:
        f: [B] energies.
        log_p_sampler: [B] log p_g = log N(noise; 0, I) - log |det dg / d noise|.
        log_p_base: [B] log p_0.
        kl_weight: w.
    """
    energy, kl = f.mean(), (log_p_sampler - log_p_base).mean()
    return SamplerLoss(energy + kl_weight * kl, energy, kl)


def contrastive_loss(f_positive: Tensor, f_negative: Tensor) -> Tensor:
    """Cross-entropy of a classifier with logit -f between q (positive) and p_0 (negative).

    Its minimiser is f = log p_0 - log q (NCP-VAE, Aneja et al. 2021, section 3.1).
    """
    return functional.softplus(f_positive).mean() + functional.softplus(-f_negative).mean()
