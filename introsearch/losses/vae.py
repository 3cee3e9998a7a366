"""The plain VAE objective (stage 1)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class VAELoss(NamedTuple):
    """Scalars; `total` is what is minimised."""

    total: Tensor
    rec: Tensor
    kl: Tensor


def squared_error(x: Tensor, recon: Tensor) -> Tensor:
    """Squared error summed over data dimensions: [B, ...] -> [B]."""
    return (x - recon).square().flatten(start_dim=1).sum(dim=1)


def vae_loss(rec: Tensor, kl: Tensor, *, beta_rec: float, beta_kl: float) -> VAELoss:
    """beta_rec * rec + beta_kl * kl, batch means; not scaled by s.

    Args:
        rec: [B] squared errors.
        kl: [B] divergences in nats.
        beta_rec: weight of rec.
        beta_kl: weight of kl.
    """
    rec, kl = rec.mean(), kl.mean()
    return VAELoss(beta_rec * rec + beta_kl * kl, rec, kl)
