"""When a trial has collapsed, and what rungs compare of one that has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from introsearch.registry import METRICS

if TYPE_CHECKING:
    from introsearch.study.model import Study

# Metrics, one for each latent.
ACTIVE_UNITS = tuple(name for name, entry in METRICS.items() if entry.counts_units)


def fewest_active_units(metrics: Mapping[str, float]) -> float | None:
    """The active units of the latent that has the fewest; None if they were not counted.

    A trial has collapsed if it is 0, whatever other metrics say.
    """
    return min((metrics[name] for name in ACTIVE_UNITS if name in metrics), default=None)


def compared_value(study: Study, metrics: Mapping[str, float]) -> float | None:
    """What rungs compare; NaN, which ranks last, of a trial with fewer active units than it needs.

    Args:
        study: the study.
        metrics: of one evaluation, by name.

    Returns:
        None if the compared metric was not measured.
    """
    value, early = metrics.get(study.compared_metric), study.early_terminate
    if value is None or early is None or early.min_active_units is None:
        return value
    units = fewest_active_units(metrics)
    return math.nan if units is not None and units < early.min_active_units else value


def compared_key(study: Study) -> str:
    """What rungs compare, in a word: values under another word are not comparable with them."""
    early = study.early_terminate
    if early is None or early.min_active_units is None:
        return study.compared_metric
    return f"{study.compared_metric} of at least {early.min_active_units} active units"
