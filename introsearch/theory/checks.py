"""What the closed forms refuse."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from introsearch.errors import ConfigError


def check_positive(**values: float) -> None:
    """Refuse numbers that are not positive and finite.

    Raises:
        ConfigError: its key is the number's name.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"must be positive and finite, not {value:g}", key=name)


def check_theta(theta: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Singular values as float64, largest first.

    Raises:
        ConfigError: there are none, or one is negative or not finite.
    """
    values = np.asarray(theta, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or values.min() < 0:
        raise ConfigError("must be a list of finite numbers, none of them negative", key="theta")
    return np.sort(values)[::-1]
