"""The spectrum of a data matrix on which posterior collapse depends, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from introsearch.errors import ConfigError

Floats = NDArray[np.float64]
_SHOWN_COLUMNS = 5
_NOTABLE_SHRINKAGE = 0.1  # of the residual's variance, from which on it is worth a note


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """What the linear theory needs to know of data.

    Attributes:
        theta: [D] singular values, largest first: square roots of the eigenvalues of the uncentred
            second moment of the data, or of its residual given the condition.
        num_samples: rows of the data matrix.
        notes: what makes the numbers less certain than they look, one sentence each.
    """

    theta: Floats
    num_samples: int
    notes: tuple[str, ...] = ()

    @property
    def energy(self) -> float:
        """E||y||^2, of the residual if there is a condition."""
        return float((self.theta**2).sum())


def data_spectrum(data: Any, *, condition: Any = None) -> Spectrum:
    """The spectrum of data, or of what a linear regression on a condition leaves of it.

    Args:
        data: [N, ...] numbers, a row per sample; further axes are flattened.
        condition: [N, ...] numbers that encoder and decoder are given as well.

    Raises:
        ConfigError: not a matrix of finite numbers, or another number of rows.
    """
    y = _as_matrix(data, name="data")
    notes = _dimension_notes(y, name="data") + _constant_notes(y, name="data")
    if condition is None:
        return Spectrum(theta=_singular_values(y), num_samples=len(y), notes=tuple(notes))
    x = _as_matrix(condition, name="condition")
    if len(x) != len(y):
        raise ConfigError(
            f"the condition has {len(x):,} rows and the data {len(y):,}",
            key="condition",
            hint="each row of one belongs to the same row of the other",
        )
    notes += _dimension_notes(x, name="condition") + _constant_notes(x, name="condition")
    residual, rank = _residual(y, x)
    notes += _residual_notes(len(y), rank)
    return Spectrum(theta=_singular_values(residual), num_samples=len(y), notes=tuple(notes))


def _as_matrix(values: Any, *, name: str) -> Floats:
    """Numbers as [N, D] in float64.

    Raises:
        ConfigError: not numbers, no rows or columns, or some are not finite. Its key is `name`.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ConfigError(f"{name} is no array: {error}", key=name) from error
    if array.dtype.kind not in "buif":
        raise ConfigError(
            f"{name} holds {array.dtype} values, not real numbers",
            key=name,
            hint="an array [samples, dimensions] of real numbers",
        )
    if array.ndim < 2 or not array.size:
        raise ConfigError(
            f"{name} has the shape {list(array.shape)}, not [samples, dimensions]",
            key=name,
            hint="at least one row and one column",
        )
    matrix = array.reshape(len(array), -1).astype(np.float64)
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        row, column = wrong[0]
        raise ConfigError(
            f"{name} has NaN or infinite values: {len(wrong):,}, the first in row {row}, "
            f"column {column} (counted from 0)",
            key=name,
            hint="remove or replace them first",
        )
    return matrix


def _singular_values(matrix: Floats) -> Floats:
    """Square roots of the eigenvalues of the uncentred second moment, largest first."""
    if len(matrix) >= matrix.shape[1]:
        eigenvalues = np.linalg.eigvalsh(matrix.T @ matrix / len(matrix))[::-1]
        return np.sqrt(np.clip(eigenvalues, 0.0, None))
    values = np.linalg.svd(matrix, compute_uv=False) / np.sqrt(len(matrix))
    return np.pad(values, (0, matrix.shape[1] - len(values)))


def _residual(y: Floats, x: Floats) -> tuple[Floats, int]:
    """y - Bx with the least squares B, and the rank of x; what is mere rounding becomes 0."""
    coefficients, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    residual = y - x @ coefficients
    rounding = len(y) * np.finfo(np.float64).eps * np.abs(y).max(initial=0.0)
    return np.where(np.abs(residual) <= rounding, 0.0, residual), int(rank)


def _dimension_notes(matrix: Floats, *, name: str) -> list[str]:
    samples, dims = matrix.shape
    if samples >= dims:
        return []
    root = (dims / samples) ** 0.5  # the edges of Marchenko and Pastur
    return [
        f"the {name} has fewer samples ({samples:,}) than dimensions ({dims:,}): the spectrum "
        f"is biased. Were all true eigenvalues equal, the measured ones would spread from "
        f"{(root - 1) ** 2:.2g} to {(root + 1) ** 2:.3g} times that value, "
        f"and {dims - samples:,} would be 0"
    ]


def _constant_notes(matrix: Floats, *, name: str) -> list[str]:
    constant = np.flatnonzero(np.ptp(matrix, axis=0) == 0)
    if not len(constant):
        return []
    shown = ", ".join(map(str, constant[:_SHOWN_COLUMNS]))
    more = ", ..." if len(constant) > _SHOWN_COLUMNS else ""
    moment = float((matrix[:, constant] ** 2).mean(axis=0).sum())
    effect = "they add no mode" if moment == 0 else f"their {moment:.4g} is part of the spectrum"
    return [f"constant columns of the {name}: {len(constant)} ({shown}{more}); {effect}"]


def _residual_notes(samples: int, rank: int) -> list[str]:
    share = rank / samples
    if share < _NOTABLE_SHRINKAGE:
        return []
    return [
        f"a condition of rank {rank:,} explains about {min(share, 1.0):.0%} of what it has nothing "
        f"to do with in {samples:,} samples: residual variances are too small by that factor, "
        "and more modes seem to collapse than would with more data"
    ]
