"""The objectives of the three players: encoder, decoder and prior (eq. 98).

Every function takes per-sample terms, [B] each: `rec` squared errors summed over data dimensions,
`kl` in nats. `scale` is s = 1 / (number of data dimensions).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Terms(NamedTuple):
    """One batch's reconstruction errors and divergences, [B] each."""

    rec: Tensor
    kl: Tensor


class EncoderLoss(NamedTuple):
    """Scalars; `total` is what the encoder minimises."""

    total: Tensor
    rec: Tensor
    kl: Tensor
    exp_elbo_fake: Tensor
    exp_elbo_recon: Tensor


class GeneratorLoss(NamedTuple):
    """Scalars; `total` is what decoder and prior minimise."""

    total: Tensor
    kl_fake: Tensor
    kl_recon: Tensor


def encoder_loss(
    real: Terms,
    fake: Terms,
    recon: Terms,
    *,
    beta_rec: float,
    beta_kl: float,
    beta_neg: float,
    alpha: float,
    scale: float,
    contributions: Tensor | None = None,
    r_entropy: float = 0.0,
) -> EncoderLoss:
    """What the encoder minimises: the ELBO of real data up, exp-ELBOs of generated data down.

    Args:
        real: terms of data.
        fake: terms of decoded prior samples, detached from decoder and prior.
        recon: terms of reconstructions, likewise.
        beta_rec: weight of reconstruction errors.
        beta_kl: weight of the divergence of real data.
        beta_neg: weight of the divergence of generated data.
        alpha: exponent scale.
        scale: s.
        contributions: mean responsibilities [K] of the batch (eq. 11), with `r_entropy`.
        r_entropy: weight of their normalised entropy.
    """

    def exp_elbo(terms: Terms) -> Tensor:
        return (-alpha * scale * (beta_rec * terms.rec + beta_neg * terms.kl)).exp().mean()

    rec, kl = real.rec.mean(), real.kl.mean()
    exp_fake, exp_recon = exp_elbo(fake), exp_elbo(recon)
    adversarial = 0.5 / alpha * (exp_fake + exp_recon)
    total = scale * (beta_rec * rec + beta_kl * kl) + adversarial
    if contributions is not None:
        total = total - scale * r_entropy * normalised_entropy(contributions)
    return EncoderLoss(total, rec, kl, exp_fake, exp_recon)


def generator_loss(
    rec_real: Tensor,
    kl_fake: Tensor,
    kl_recon: Tensor,
    *,
    beta_rec: float,
    beta_kl: float,
    gamma: float,
    scale: float,
    kl_real: Tensor | None = None,
    rec_generated: Tensor | None = None,
    gamma_r: float = 0.0,
) -> GeneratorLoss:
    """What the decoder minimises, and with `kl_real` the prior too, in one scalar.

    Gradients must reach the decoder through kl_fake and kl_recon; the prior, as the source of
    the fakes, through kl_fake; the prior, as target, through kl_real alone.

    Args:
        rec_real: errors of reconstructed data.
        kl_fake: divergences of decoded prior samples; the target prior is a constant.
        kl_recon: divergences of reconstructions; likewise.
        beta_rec: weight of reconstruction errors.
        beta_kl: weight of divergences.
        gamma: weight of the adversarial terms.
        scale: s.
        kl_real: divergences of data with a constant encoder (intro prior only).
        rec_generated: errors of re-encoded fakes and reconstructions, both as constants, [2B];
            None skips the term.
        gamma_r: weight of `rec_generated` within the adversarial terms.
    """
    kl_fake, kl_recon = kl_fake.mean(), kl_recon.mean()
    total = beta_rec * rec_real.mean() + gamma * beta_kl * 0.5 * (kl_fake + kl_recon)
    if kl_real is not None:
        total = total + beta_kl * kl_real.mean()
    if rec_generated is not None:
        total = total + gamma * gamma_r * beta_rec * rec_generated.mean()
    return GeneratorLoss(scale * total, kl_fake, kl_recon)


def normalised_entropy(contributions: Tensor) -> Tensor:
    """H(C) / log K of mean responsibilities [K]; 0 for a single component (eq. 104)."""
    k = contributions.shape[-1]
    if k == 1:
        return torch.zeros_like(contributions.sum())
    return torch.special.entr(contributions).sum(dim=-1) / math.log(k)
