"""Trained and predicted collapse side by side, from recorded numbers."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from introsearch.errors import ConfigError
from introsearch.figures.style import image
from introsearch.papers.collapse_figure import draw_collapse_study
from introsearch.papers.collapse_table import collapse_rows, collapse_table, summary

KL = {"b0": [2.0, 1.0, 0.0], "b1": [1.5, 0.25, 0.0]}


def run(config_id: str, seed: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "config_id": config_id, "seed": seed, "status": "finished", "run_id": f"{config_id}{seed}",
        "param.beta": {"b0": 0.5, "b1": 1.0}[config_id], "metric.active_modes": 2.0 - (seed == 1),
        "metric.predicted_modes": 2.0, "param.activation": "linear",
    }  # fmt: skip
    for i, kl in enumerate(KL[config_id], start=1):
        numbers = {"unit_kl": kl + 0.1 * seed, "predicted_unit_kl": kl, "eigenvalue": 4.0 - i}
        row |= {f"metric.{name}/{i:02d}": value for name, value in numbers.items()}
    return row | changes


def result(rows: list[dict[str, Any]]) -> Any:
    study = SimpleNamespace(name="s", seeds=SimpleNamespace(report=(0, 1)))
    chosen = {"linear / 0.5": "b0", "linear / 1": "b1"}
    return SimpleNamespace(study=study, frame=pd.DataFrame(rows), chosen=chosen)


RUNS = [run("b0", 0), run("b0", 1), run("b1", 0), run("b1", 1, status="diverged")]


def test_rows_hold_every_finished_seed() -> None:
    first, second = collapse_rows(result(RUNS))
    of = first.latents["z"]
    assert of.kl.shape == (2, 3)
    assert of.agree == 1
    assert of.gap == pytest.approx(0.1)
    assert np.array_equal(first.eigenvalues, [[3.0, 2.0, 1.0]] * 2)
    assert second.latents["z"].kl.shape == (1, 3)
    assert (first.settings["beta"], second.settings["beta"]) == (0.5, 1.0)


def test_a_table_counts_what_agrees() -> None:
    text = summary(collapse_rows(result(RUNS)))
    assert "Of linear maps, the number of active modes agrees in 2 of 3 cases" in text
    assert "networks" not in text
    relu = [{**row, "param.activation": "relu"} for row in RUNS[2:]]
    text = summary(collapse_rows(result([*RUNS[:2], *relu])))
    assert "agrees in 1 of 2 cases" in text
    assert "Of networks, the number of active modes agrees in 1 of 1 cases" in text
    text = collapse_table(result(RUNS), fmt="csv")
    header, first, second = csv.reader(io.StringIO(text))
    assert dict(zip(header[:3], first[:3], strict=True)) == {
        "group": "linear / 0.5", "latent": "z", "active modes": "1.50 \u00b1 0.71",
    }  # fmt: skip
    assert first[4:] == ["1 of 2", "3.15 \u00b1 0.21", "3.000 \u00b1 0", "0.1"]
    assert second[4] == "1 of 1"


def test_what_was_not_predicted_is_refused() -> None:
    plain = [{k: v for k, v in run("b0", 0).items() if "predicted" not in k}]
    for rows in (plain, [run("b0", 0, status="running")]):
        with pytest.raises(ConfigError, match="compared with a prediction"):
            collapse_rows(result(rows))


@pytest.mark.parametrize("along", ["", "beta"])
def test_a_figure(along: str) -> None:
    figure = draw_collapse_study(collapse_rows(result(RUNS)), along=along, title="t")
    assert len(figure.axes) == (6 if along else 4)
    assert len(image(figure)) > 10_000


def test_a_setting_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="'bta'") as caught:
        draw_collapse_study(collapse_rows(result(RUNS)), along="bta", title="t")
    assert "'beta'" in str(caught.value.hint)
