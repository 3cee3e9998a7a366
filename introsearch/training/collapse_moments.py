"""Averages that the collapse objective depends on: exactly, or over a batch and its noise."""

from __future__ import annotations

import torch
from torch import Tensor

from introsearch.losses.collapse import Level, Moments
from introsearch.nets.shallow import ShallowVAE


def exact_moments(nets: ShallowVAE, second: Tensor) -> Moments:
    """Of linear maps, over all data and all noise.

    Args:
        nets: linear ones.
        second: [D, D] E[v v^T] of the rows v = [y, x].
    """
    w, u, logvar = nets.encoders[0].weight, nets.decoders[0].weight, nets.logvars[0]
    assert isinstance(w, Tensor)
    assert isinstance(u, Tensor)
    latent_dim, dims = len(logvar), nets.dims
    condition = torch.eye(len(second), dtype=w.dtype, device=w.device)[dims:]
    features = torch.cat([w, condition])  # the decoder's inputs, as maps of v
    covered = features @ second
    outer = covered @ features.T
    error = second.diagonal()[:dims].sum() - 2 * (u * covered[:, :dims].T).sum()
    error = error + ((u.T @ u) * outer).sum()
    error = error + (u[:, :latent_dim].square() * logvar.exp()).sum()
    means = outer[:latent_dim, :latent_dim]
    if len(nets.logvars) == 1:
        return Moments(error, (Level(means, means.diagonal() + logvar.exp(), logvar),))
    return Moments(error, _two_levels(nets, means))


def _two_levels(nets: ShallowVAE, means: Tensor) -> tuple[Level, Level]:
    w2, u2 = nets.encoders[1].weight, nets.decoders[1].weight
    assert isinstance(w2, Tensor)
    assert isinstance(u2, Tensor)
    logvar1, logvar2 = nets.logvars[0], nets.logvars[1]
    z1 = means + logvar1.exp().diag()
    means2 = w2 @ z1 @ w2.T
    rest = torch.eye(len(z1), dtype=z1.dtype, device=z1.device) - u2 @ w2
    distance1 = (rest @ z1 * rest).sum(1) + (u2.square() * logvar2.exp()).sum(1)
    return (
        Level(means, distance1, logvar1),
        Level(means2, means2.diagonal() + logvar2.exp(), logvar2),
    )


def sampled_moments(nets: ShallowVAE, rows: Tensor, noise: Tensor) -> Moments:
    """Over a batch, with one draw of each latent.

    Args:
        nets: linear or not.
        rows: [B, D] of [y, x].
        noise: [B, levels, L] standard normal.
    """
    q = nets.encode(rows, noise[:, 0])
    decoded = nets.decoders[0](torch.cat([q.z, rows[:, nets.dims :]], dim=1))
    error = (rows[:, : nets.dims] - decoded).square().sum(1).mean()
    means, logvar = q.mu.T @ q.mu / len(rows), nets.logvars[0]
    if len(nets.logvars) == 1:
        return Moments(error, (Level(means, means.diagonal() + logvar.exp(), logvar),))
    q2 = nets.encode(q.z, noise[:, 1], level=1)
    distance1 = (q.z - nets.decoders[1](q2.z)).square().mean(0)
    means2, logvar2 = q2.mu.T @ q2.mu / len(rows), nets.logvars[1]
    levels = (
        Level(means, distance1, logvar),
        Level(means2, means2.diagonal() + logvar2.exp(), logvar2),
    )
    return Moments(error, levels)
