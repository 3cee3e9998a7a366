"""Trained and predicted posterior collapse side by side: a row per group of a recorded study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from introsearch.errors import ConfigError
from introsearch.results.columns import METRIC, PARAM
from introsearch.results.result import StudyResult
from introsearch.results.statistics import one_run_per_seed
from introsearch.results.tables.formats import Cell, format_number, write_table
from introsearch.statuses import Status

Floats = NDArray[np.float64]
_SUFFIXES = ("", "_z2")


@dataclass(frozen=True, kw_only=True)
class LatentComparison:
    """One latent of a group's configuration, over its n finished seeds.

    Attributes:
        active: [n] active modes as trained.
        predicted_active: [n] at the optimum of the linear model.
        kl: [n, L] KL of each mode as trained, largest first, nats.
        predicted_kl: [n, L] at the optimum.
    """

    active: Floats
    predicted_active: Floats
    kl: Floats
    predicted_kl: Floats

    @property
    def agree(self) -> int:
        """Seeds in which as many modes are active as predicted."""
        return int((self.active == self.predicted_active).sum())

    @property
    def gap(self) -> float:
        """The largest difference between trained and predicted KL of a mode, nats."""
        return float(np.abs(self.kl - self.predicted_kl).max())


@dataclass(frozen=True, kw_only=True)
class CollapseRow:
    """A group.

    Attributes:
        group: its label.
        settings: of its configuration.
        eigenvalues: [n, L] of the data, or of what the condition leaves of it, largest first.
        latents: ``z``, or ``z1`` and ``z2``, by name.
    """

    group: str
    settings: dict[str, object]
    eigenvalues: Floats
    latents: dict[str, LatentComparison]

    @property
    def is_linear(self) -> bool:
        """Whether the prediction is of the very model; for networks it is that of linear maps."""
        return self.settings.get("activation") == "linear"


def collapse_rows(result: StudyResult) -> list[CollapseRow]:
    """What a study recorded of trained and predicted modes, over the finished report seeds.

    Raises:
        ConfigError: none of its trials was compared with a prediction.
    """
    rows = []
    for group, config_id in result.chosen.items():
        runs = result.frame[result.frame["config_id"] == config_id]
        runs = one_run_per_seed(runs, result.study.seeds.report)
        runs = runs[runs["status"] == Status.FINISHED]
        if len(runs) and len(_ranked(runs, "predicted_unit_kl")[0]):
            rows.append(_row(group, runs))
    if not rows:
        raise ConfigError(
            f"no finished trial of {result.study.name!r} was compared with a prediction",
            hint="trainers collapse_vae, collapse_cvae and collapse_hvae are",
        )
    return rows


def _row(group: str, runs: pd.DataFrame) -> CollapseRow:
    suffixes = [s for s in _SUFFIXES if len(_ranked(runs, f"unit_kl{s}")[0])]
    names = ("z",) if len(suffixes) == 1 else ("z1", "z2")
    first = runs.iloc[0]
    return CollapseRow(
        group=group,
        settings={c.removeprefix(PARAM): first[c] for c in runs if c.startswith(PARAM)},
        eigenvalues=_ranked(runs, "eigenvalue"),
        latents={
            name: LatentComparison(
                active=runs[f"{METRIC}active_modes{suffix}"].to_numpy(float),
                predicted_active=runs[f"{METRIC}predicted_modes{suffix}"].to_numpy(float),
                kl=_ranked(runs, f"unit_kl{suffix}"),
                predicted_kl=_ranked(runs, f"predicted_unit_kl{suffix}"),
            )
            for name, suffix in zip(names, suffixes, strict=True)
        },
    )


def _ranked(runs: pd.DataFrame, name: str) -> Floats:
    """Numbers ``name/01`` and on of each run, [n, as many as all runs have]."""
    columns = sorted(c for c in runs if c.startswith(f"{METRIC}{name}/"))
    values = runs[columns].to_numpy(float)
    return values[:, ~np.isnan(values).any(axis=0)]


def collapse_table(result: StudyResult, *, fmt: str) -> str:
    """A row per group and latent: active modes and KL, trained and predicted.

    Args:
        result: of a study.
        fmt: ``md``, ``csv`` or ``tex``.

    Raises:
        ConfigError: unknown format, or nothing was compared with a prediction.
    """
    header = [
        "group", "latent", "active modes", "predicted modes", "agree", "KL", "predicted KL",
        "largest KL difference",
    ]  # fmt: skip
    rows = collapse_rows(result)
    body = [[_cells(row.group, name, of) for name, of in row.latents.items()] for row in rows]
    lines = [cells for block in body for cells in block]
    return write_table(header, [lines], fmt=fmt, caption=f"{result.study.name}: {summary(rows)}")


def summary(rows: Sequence[CollapseRow]) -> str:
    """How many counts agree, and the largest difference between KLs of a mode."""
    text = (
        "posterior collapse as trained and as predicted for linear maps, mean and sample standard "
        "deviation over seeds."
    )
    for what, is_linear in (("linear maps", True), ("networks", False)):
        compared = [of for row in rows if row.is_linear == is_linear for of in row.latents.values()]
        if compared:
            agree, number = sum(of.agree for of in compared), sum(len(of.active) for of in compared)
            text += (
                f" Of {what}, the number of active modes agrees in {agree} of {number} cases "
                "(latents of trials), and the KL of a mode differs by at most "
                f"{max(of.gap for of in compared):.3g} nats."
            )
    return text


def _cells(group: str, name: str, of: LatentComparison) -> list[Cell]:
    kl, predicted = of.kl.sum(axis=1), of.predicted_kl.sum(axis=1)
    numbers = [_mean(of.active), _mean(of.predicted_active)]
    kls = [_mean(kl), _mean(predicted), Cell(f"{of.gap:.3g}", is_number=True)]
    return [Cell(group), Cell(name), *numbers, Cell(f"{of.agree} of {len(of.active)}"), *kls]


def _mean(values: Floats) -> Cell:
    std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Cell(format_number(float(values.mean()), std=std, n=len(values)), is_number=True)
