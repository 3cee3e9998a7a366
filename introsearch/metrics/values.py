"""Metrics of a model, by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Generator

from introsearch.errors import ConfigError
from introsearch.extensions import resolve
from introsearch.metrics.modes import ModesView
from introsearch.metrics.view import ModelView


def metric_values(
    names: Sequence[str], view: ModelView | ModesView, *, new_stream: Callable[[], Generator]
) -> dict[str, float]:
    """What metrics say of a model.

    Args:
        names: of metrics.
        view: the model.
        new_stream: makes the generator of each metric, equal to the others'.

    Raises:
        ConfigError: no such metric, or one of the user's own that gives no number.
    """
    return {name: _number(name, resolve("metric", name)(view, new_stream())) for name in names}


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        what = type(value).__name__
        if shape := getattr(value, "shape", ()):
            what += f" of shape {tuple(shape)}"
        raise ConfigError(
            f"{name} gives a {what} and not a number",
            key="metric",
            hint="return a float, or a tensor with one element",
        ) from error
