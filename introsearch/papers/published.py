"""Published numbers, shipped with the package, and which of a study's groups they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

import pandas as pd

# All other columns are settings; an empty one fits any value.
_NUMBERS = ("metric", "mean", "std", "n", "source")


class Published(NamedTuple):
    """A published mean over n seeds, its standard deviation, and both as they were printed.

    The deviation is numpy's by default (ddof=0): that of the seeds themselves, not an estimate from
    them.
    """

    mean: float
    std: float
    n: int
    text: str


def load_published(name: str) -> pd.DataFrame:
    """A table of published numbers, all as text.

    The first line of its file, ``papers/published/NAME.csv``, names the source.

    Args:
        name: e.g. ``prior_learning_table1``.
    """
    path = files("introsearch.papers") / "published" / f"{name}.csv"
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#", dtype=str, keep_default_na=False)


def rows_for(published: pd.DataFrame, settings: Mapping[str, object]) -> pd.DataFrame:
    """The published rows whose settings a configuration has.

    Args:
        published: as returned by `load_published`.
        settings: of the configuration, and its ``trainer``.
    """
    keys = [column for column in published if column not in _NUMBERS]
    fits = [
        all(not row[key] or (key in settings and _same(settings[key], row[key])) for key in keys)
        for row in published.to_dict("records")
    ]
    return published[fits]


def published_value(
    published: pd.DataFrame, settings: Mapping[str, object], metric: str, *, source: str = ""
) -> Published | None:
    """What was published of a metric for a configuration; None if nothing was.

    Args:
        published: as returned by `load_published`.
        settings: of the configuration, and its ``trainer``.
        metric: its name.
        source: which of several published numbers, where the table has them.
    """
    rows = rows_for(published, settings)
    rows = rows[rows["metric"] == metric]
    if source and "source" in rows:
        rows = rows[rows["source"] == source]
    if rows.empty:
        return None
    row = rows.iloc[0]
    text = f"{row['mean']} \u00b1 {row['std']}" if row["std"] else str(row["mean"])
    std = float(row["std"]) if row["std"] else math.nan
    return Published(float(row["mean"]), std, int(row["n"]), text)


def difference_in_errors(mean: float, std: float, n: int, published: Published) -> float:
    """How far a mean is from a published one, in standard errors of the difference.

    Returns:
        (mean - published) / sqrt(std^2 / n + published std^2 / (published n - 1)), ours being of
        ddof=1 and the published one of ddof=0; NaN without a spread on either side.
    """
    if min(n, published.n) < 2 or math.isnan(std) or math.isnan(published.std):
        return math.nan
    error = math.sqrt(std**2 / n + published.std**2 / (published.n - 1))
    return (mean - published.mean) / error if error else math.nan


def _same(value: object, text: str) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        try:
            return math.isclose(value, float(text), rel_tol=1e-9)
        except ValueError:
            return False
    return str(value) == text
