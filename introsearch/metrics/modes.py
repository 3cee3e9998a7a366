"""Posterior collapse mode by mode: a trained shallow VAE beside the prediction of the theory.

A mode is a latent dimension, or, where all posterior variances are fixed and equal, an eigenvector
of E[mu mu^T]: the means may then be rotated at will, and no single dimension collapses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from introsearch.losses.shallow import Level, Moments, mean_kl
from introsearch.metrics.collapse_curve import collapsed_shares, ranked

Floats = NDArray[np.float64]
_LEAST_SHARE = 1e-3  # of a prior's variance, that the mean of an active mode has
LEAST_VARIANCE = 0.01  # of the mean of an active unit, in units of the prior's


@dataclass(frozen=True, kw_only=True)
class PredictedModes:
    """The optimum of a linear model.

    Attributes:
        loss: its objective, nats per data point.
        theta: [L] singular values of the data, or of what the condition leaves of it.
        lam: [L] root mean square of the mean of z (of z1) by mode, the strongest first.
        omega: [L] singular values of the decoder of z (of z1).
        active: [L] which modes are, of z or of z1 and z2.
        kl: [L] of each mode, likewise.
    """

    loss: float
    theta: Floats
    lam: Floats
    omega: Floats
    active: tuple[NDArray[np.bool_], ...]
    kl: tuple[Floats, ...]


@dataclass(frozen=True, kw_only=True)
class TrainedModes:
    """What training came to.

    Attributes:
        loss: the objective over all data, nats per data point.
        lam: [L] root mean square of the means by mode, the strongest first; of z or of z1 and z2.
        omega: [L] singular values of the decoder of z (of z1), the largest first; None unless it is
            linear.
        prior_stds: of the prior of each.
        kl: [L] by mode, largest first.
    """

    loss: float
    lam: tuple[Floats, ...]
    omega: Floats | None
    prior_stds: tuple[float, ...]
    kl: tuple[Floats, ...]


@dataclass(frozen=True, kw_only=True)
class ModesView:
    """What these metrics look at.

    Attributes:
        trained: the model.
        predicted: the optimum of the linear model on the same data.
        mean_variances: [L] variance of the means of each mode over data and what is drawn before,
            in units of the prior's, of z or of z1 and z2.
        pair_kl: [N, L] KL of each data point and mode of z (of z2) to its prior, nats.
        estimate_nll: the negative log-likelihood of held-out data, by importance sampling.
    """

    trained: TrainedModes
    predicted: PredictedModes
    mean_variances: tuple[Tensor, ...]
    pair_kl: Tensor
    estimate_nll: Callable[[Generator], float]

    def num_active(self, level: int) -> float:
        """Trained modes of a latent whose mean is not constantly 0."""
        t = self.trained
        return float((t.lam[level] ** 2 > _LEAST_SHARE * t.prior_stds[level] ** 2).sum())


def trained_modes(
    moments: Moments,
    *,
    prior_stds: tuple[float, ...],
    is_rotated: tuple[bool, ...],
    loss: float,
    decoder: Tensor | None,
) -> TrainedModes:
    """Read the modes off averages over all data.

    Args:
        moments: of the trained model.
        prior_stds: of the prior of each latent.
        is_rotated: whether its variances are fixed, and its modes no dimensions.
        loss: its objective.
        decoder: [D, L] of z (of z1) if it is linear.
    """
    lams, kls = [], []
    for level, std, rotated in zip(moments.levels, prior_stds, is_rotated, strict=True):
        basis = _basis(level, is_rotated=rotated)
        squares, distance = (
            (basis.T @ of @ basis).diagonal() for of in (level.means, level.distance)
        )
        kls.append(_descending(mean_kl(distance, level.logvar, std)))
        lams.append(_descending(squares.clamp_min(0.0).sqrt()))
    return TrainedModes(
        loss=loss,
        lam=tuple(lams),
        omega=None if decoder is None else _singular_values(decoder),
        prior_stds=prior_stds,
        kl=tuple(kls),
    )


def in_modes(mu: Tensor, level: Level, *, is_rotated: bool) -> Tensor:
    """Posterior means [N, L] of a latent in the coordinates of its modes."""
    return mu @ _basis(level, is_rotated=is_rotated)


def pair_kl(mu: Tensor, logvar: Tensor, prior_std: float) -> Tensor:
    """KL[N(mu, exp logvar) || N(0, prior_std^2)] of each data point and mode, [N, L] nats.

    `logvar` is [L], or [N, L] where variances depend on the data.
    """
    scaled = logvar.exp() / prior_std**2
    return 0.5 * (mu.square() / prior_std**2 + scaled - 1 - scaled.log())


def _basis(level: Level, *, is_rotated: bool) -> Tensor:
    """[L, L] the modes as columns, in the coordinates of the latent."""
    return (
        torch.linalg.eigh(level.means).eigenvectors
        if is_rotated
        else torch.eye(len(level.means), dtype=level.means.dtype, device=level.means.device)
    )


def _singular_values(decoder: Tensor) -> Floats:
    """Of [D, L], largest first: L of them, zeros beyond D."""
    values: Floats = torch.linalg.svdvals(decoder).cpu().numpy()
    return np.pad(values, (0, decoder.shape[1] - len(values)))


def _descending(values: Tensor) -> Floats:
    numbers: Floats = values.sort(descending=True).values.cpu().numpy()
    return numbers


def active_modes(view: ModesView, generator: Generator) -> float:
    """Modes of z (of z1) with E[mu^2] above a thousandth of the prior's variance."""
    return view.num_active(0)


def predicted_modes(view: ModesView, generator: Generator) -> float:
    """Active modes of z (of z1) at the optimum of the linear model."""
    return float(view.predicted.active[0].sum())


def active_modes_z2(view: ModesView, generator: Generator) -> float:
    """Modes of z2 with E[mu^2] above a thousandth of the prior's variance."""
    return view.num_active(1)


def predicted_modes_z2(view: ModesView, generator: Generator) -> float:
    """Active modes of z2 at the optimum of the linear model."""
    return float(view.predicted.active[1].sum())


def active_units_z2(view: ModesView, generator: Generator) -> float:
    """Dimensions of z2 whose mean varies by more than 0.01 of the prior's variance."""
    return float((view.mean_variances[1] > LEAST_VARIANCE).sum())


def nll_test(view: ModesView, generator: Generator) -> float:
    """Negative log-likelihood of test data by importance sampling, nats per data point."""
    return view.estimate_nll(generator)


def mode_kl(view: ModesView, generator: Generator) -> float:
    """KL of z (of z1 given z2) over all dimensions, nats per data point."""
    return float(view.trained.kl[0].sum())


def predicted_kl(view: ModesView, generator: Generator) -> float:
    """The same at the optimum of the linear model."""
    return float(view.predicted.kl[0].sum())


def mode_kl_z2(view: ModesView, generator: Generator) -> float:
    """KL of z2 over all dimensions, nats per data point."""
    return float(view.trained.kl[1].sum())


def predicted_kl_z2(view: ModesView, generator: Generator) -> float:
    """The same at the optimum of the linear model."""
    return float(view.predicted.kl[1].sum())


def kl_gap(view: ModesView, generator: Generator) -> float:
    """Largest difference between trained and predicted KL of a mode of z (of z2), nats."""
    predicted = np.sort(view.predicted.kl[-1])[::-1]
    return float(np.abs(view.trained.kl[-1] - predicted).max())


def lam_gap(view: ModesView, generator: Generator) -> float:
    """Mean difference of trained and predicted singular values of the whitened encoder of z (z1).

    They are sorted, and in units of z: the lambda-metric of Dang et al. (ICLR 2024).
    """
    predicted = np.sort(view.predicted.lam)[::-1]
    return float(np.abs(view.trained.lam[0] - predicted).mean())


def omega_gap(view: ModesView, generator: Generator) -> float:
    """Mean difference of trained and predicted singular values of a linear decoder of z (of z1).

    They are sorted, and in units of the data per unit of z: the omega-metric of Dang et al. (ICLR
    2024).
    """
    assert view.trained.omega is not None
    predicted = np.sort(view.predicted.omega)[::-1]
    return float(np.abs(view.trained.omega - predicted).mean())


def loss_gap(view: ModesView, generator: Generator) -> float:
    """Trained objective minus the least of the linear model; ReLUs can make it negative."""
    return view.trained.loss - view.predicted.loss


def mode_numbers(view: ModesView) -> dict[str, float]:
    """What is recorded beside metrics: KLs by mode, sorted, largest first, and collapsed shares.

    ``unit_kl/01`` and on of z (of z1), ``unit_kl_z2/01`` and on of z2, ``predicted_...`` of both,
    ``eigenvalue/01`` and on of the data, or of what the condition leaves of it, and
    `collapse_curve.collapsed_shares` of z (of z2).
    """
    numbers = ranked("eigenvalue", torch.from_numpy(view.predicted.theta**2))
    pairs = zip(view.trained.kl, view.predicted.kl, strict=True)
    for suffix, (trained, predicted) in zip(("", "_z2"), pairs, strict=False):
        numbers |= ranked(f"unit_kl{suffix}", torch.from_numpy(trained.copy()))
        numbers |= ranked(f"predicted_unit_kl{suffix}", torch.from_numpy(predicted.copy()))
    return numbers | collapsed_shares(view.pair_kl)
