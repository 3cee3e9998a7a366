"""The (epsilon, delta)-collapse of latent dimensions (Lucas et al., 2019), and what is kept of it.

Dimension i has collapsed at (epsilon, delta) if P_x[KL_i(x) < epsilon] >= 1 - delta.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from introsearch.losses.kl import kl_per_dimension

DELTA = 0.05
_EPSILONS = (0.01, 0.1, 1.0)  # nats, for which the share of collapsed dimensions is recorded
_MAX_UNITS = 64  # whose KL is recorded, the largest


def collapse_levels(kl: Tensor, *, delta: float = DELTA) -> Tensor:
    """From which epsilon on each dimension has collapsed: any larger one.

    Args:
        kl: [N, L] of each data point and dimension, nats.
        delta: share of the data that may lie beyond.

    Returns:
        [L] nats, ascending. The share of them below an epsilon, drawn against it, is the curve.
    """
    needed = math.ceil((1 - delta) * len(kl))
    return kl.kthvalue(max(needed, 1), dim=0).values.sort().values


def collapsed_shares(kl: Tensor) -> dict[str, float]:
    """The share of dimensions that have collapsed, as numbers to record: ``collapsed/<epsilon>``.

    Args:
        kl: [N, L] of each data point and dimension, nats.
    """
    levels = collapse_levels(kl)
    return {f"collapsed/{eps:g}": float((levels < eps).double().mean()) for eps in _EPSILONS}


def ranked(name: str, values: Tensor) -> dict[str, float]:
    """The largest values as numbers to record, ``name/01`` being the largest.

    What is not finite is left out, as MLflow's charts could not show it.
    """
    largest = values.double().sort(descending=True).values[:_MAX_UNITS]
    return {
        f"{name}/{rank:02d}": value
        for rank, value in enumerate(largest.tolist(), start=1)
        if math.isfinite(value)
    }


def unit_numbers(mu: Tensor, logvar: Tensor) -> dict[str, float]:
    """What is recorded of a posterior beside metrics.

    Args:
        mu: [N, L] means.
        logvar: [N, L] log-variances.

    Returns:
        ``unit_kl/01`` and on, the KL of each dimension to a standard normal, averaged over data and
        sorted, largest first (nats); and `collapsed_shares`.
    """
    kl = kl_per_dimension(mu, logvar)
    return ranked("unit_kl", kl.mean(dim=0)) | collapsed_shares(kl.nan_to_num(nan=torch.inf))
