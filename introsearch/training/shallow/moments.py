"""Averages that the collapse objective depends on: exactly, or over a batch and its noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from introsearch.losses.shallow import Level, Moments
from introsearch.nets.shallow import Encoded, ShallowVAE


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
        return Moments(error, (_level(means, logvar, logvar.exp()),))
    return Moments(error, _two_levels(nets, means))


def linear_decoder(nets: ShallowVAE) -> Tensor:
    """[D, L] from z (from z1), and not from a condition, to the data; of linear maps."""
    weight = nets.decoders[0].weight
    assert isinstance(weight, Tensor)
    return weight[:, : len(nets.logvars[0])]


def _two_levels(nets: ShallowVAE, means: Tensor) -> tuple[Level, Level]:
    w2, u2 = nets.encoders[1].weight, nets.decoders[1].weight
    assert isinstance(w2, Tensor)
    assert isinstance(u2, Tensor)
    logvar1, logvar2 = nets.logvars[0], nets.logvars[1]
    z1 = means + logvar1.exp().diag()
    means2 = w2 @ z1 @ w2.T
    rest = torch.eye(len(z1), dtype=z1.dtype, device=z1.device) - u2 @ w2
    distance1 = rest @ z1 @ rest.T + (u2 * logvar2.exp()) @ u2.T
    return Level(means, distance1, logvar1), _level(means2, logvar2, logvar2.exp())


def _level(means: Tensor, logvar: Tensor, variance: Tensor) -> Level:
    """Of a latent whose prior has the mean 0; averages."""
    return Level(means, means + variance.diag(), logvar)


def sampled_moments(nets: ShallowVAE, rows: Tensor, noise: Tensor) -> Moments:
    """Over a batch, with one draw of each latent.

    Args:
        nets: linear or not.
        rows: [B, D] of [y, x].
        noise: [B, levels, L] standard normal.
    """
    return moments_of_draws(nets, rows, draw_latents(nets, rows, noise))


def draw_latents(nets: ShallowVAE, rows: Tensor, noise: Tensor) -> tuple[Encoded, ...]:
    """z of rows, or z1 and z2: posterior means and draws. Arguments as for `sampled_moments`."""
    draws = [nets.encode(rows, noise[:, 0])]
    for level in range(1, len(nets.logvars)):
        draws.append(nets.encode(draws[-1].z, noise[:, level], level=level))
    return tuple(draws)


def moments_of_draws(nets: ShallowVAE, rows: Tensor, draws: tuple[Encoded, ...]) -> Moments:
    """As `sampled_moments`, of latents that are drawn already."""
    decoded = nets.decoders[0](torch.cat([draws[0].z, rows[:, nets.dims :]], dim=1))
    error = (rows[:, : nets.dims] - decoded).square().sum(1).mean()
    levels = []
    for i, q in enumerate(draws):
        means = q.mu.T @ q.mu / len(rows)
        if i + 1 < len(draws):
            beyond = q.z - nets.decoders[i + 1](draws[i + 1].z)
            levels.append(Level(means, beyond.T @ beyond / len(rows), q.mean_logvar))
        else:
            levels.append(_level(means, q.mean_logvar, q.mean_variance))
    return Moments(error, tuple(levels))


def mean_moments(parts: Sequence[Moments], sizes: Sequence[int]) -> Moments:
    """The moments of several blocks of rows together, of so many rows each."""
    shares = [size / sum(sizes) for size in sizes]

    def mean(values: Iterable[Tensor]) -> Tensor:
        return torch.stack([v * share for v, share in zip(values, shares, strict=True)]).sum(0)

    levels = tuple(
        Level(*(mean(of_all) for of_all in zip(*of, strict=True)))
        for of in zip(*(part.levels for part in parts), strict=True)
    )
    return Moments(mean(part.error for part in parts), levels)
