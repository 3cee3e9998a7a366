"""What the scripts that draw metrics share: values of seeds along an axis, and files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib.figure import Figure

from introsearch.errors import ConfigError, nearest_hint
from introsearch.figures.style import image
from introsearch.files import write_atomically
from introsearch.papers.group_figure import draw_groups
from introsearch.record.runs import find_experiment, read_histories
from introsearch.record.store import Store
from introsearch.results.result import StudyResult
from introsearch.statuses import Status

FORMATS: tuple[Literal["png", "pdf"], ...] = ("png", "pdf")
Seeds = dict[str, dict[str, list[dict[float, float]]]]


def add_out(options: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The option that says where figures go."""
    options.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="(default: .)")
    return options


def over_training(
    client: Store,
    result: StudyResult,
    runs: pd.DataFrame,
    *,
    metrics: Sequence[str],
    by: str,
) -> Seeds:
    """Values over iterations of some runs, a series per value of their column `by`."""
    experiment = find_experiment(client, result.study.name)
    seeds: Seeds = {}
    for metric in metrics:
        histories = read_histories(client, experiment, list(runs["run_id"]), metric=metric)
        series: dict[str, list[dict[float, float]]] = {}
        for run_id, value in zip(runs["run_id"], runs[by], strict=True):
            series.setdefault(str(value), []).append(dict(histories[run_id]))
        seeds[metric] = series
    return seeds


def along_parameter(result: StudyResult, *, metrics: Sequence[str], parameter: str) -> Seeds:
    """Final values of the finished runs along a parameter, a series per variant."""
    column = f"param.{parameter}"
    frame = result.frame
    if column not in frame:
        known = [c.removeprefix("param.") for c in frame if c.startswith("param.")]
        raise ConfigError(
            f"no run has a setting {parameter!r}", hint=nearest_hint(parameter, known)
        )
    finished = frame[frame["status"] == Status.FINISHED]
    names = {c.id: " + ".join(c.variants) for c in result.expansion.configurations}
    seeds: Seeds = {}
    for metric in metrics:
        series = seeds.setdefault(metric, {})
        for row in finished.to_dict("records"):
            value = {float(row[column]): float(row.get(f"metric.{metric}", float("nan")))}
            series.setdefault(names[row["config_id"]], []).append(value)
    return seeds


def write_figure(seeds: Seeds, *, along: str, title: str, path: Path) -> None:
    """Draw, write as PNG and PDF, and say where.

    Raises:
        ConfigError: there is nothing to draw.
    """
    known = {metric: series for metric, series in seeds.items() if _has_values(series)}
    if not known:
        raise ConfigError(f"no run has measured any of {', '.join(seeds)}")
    save(draw_groups(known, along=along, title=title), path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and PDF, and say where."""
    for fmt in FORMATS:
        file = path.with_name(f"{path.name}.{fmt}")
        write_atomically(file, image(figure, fmt))
        print(file)


def _has_values(series: dict[str, list[dict[float, float]]]) -> bool:
    return any(value == value for seeds in series.values() for s in seeds for value in s.values())
