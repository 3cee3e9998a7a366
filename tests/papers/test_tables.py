"""Tables in the layout of the papers, and published numbers."""

from __future__ import annotations

import csv
import io
import math
import shutil
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.errors import ConfigError
from introsearch.papers.published import (
    Published,
    difference_in_errors,
    load_published,
    published_value,
    rows_for,
)
from introsearch.papers.tables import paper_table, published_table, settings_table
from introsearch.record.recorder import open_recorder
from introsearch.record.results import read_result
from introsearch.results.result import StudyResult
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.search.expand import expand, report_trials, select_trials
from introsearch.trial.evaluation import Evaluation

TABLES = ("prior_learning_table1", "prior_learning_table4", "prior_learning_table5")
STUDY = """\
name: 2d-grid
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2, 3]}
parameters:
  dataset: {values: [rings, 8gaussians]}
  beta_rec: 0.2
  beta_kl: {values: [0.1, 0.3]}
  beta_neg: {times: beta_kl, values: [3]}
variants:
  sg: {prior: gaussian}
  ip_lc: {prior: mog, components: 64, intro_prior: true, learnable_contributions: true}
"""


@pytest.fixture
def result(client: MlflowClient, tmp_path: Path) -> StudyResult:
    """Rings are done; of 8gaussians a group has one seed and the other none."""
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    study = load_study(path)
    recorder = open_recorder(client, study, folder=tmp_path / "runs" / study.name)
    expansion = expand(study)
    select = [t for t in select_trials(study, expansion)]
    chosen = {
        group: next(c.id for c in members if c.settings["beta_kl"] == 0.3)
        for group, members in expansion.members.items()
    }
    report = [
        t
        for t in report_trials(study, expansion, chosen)
        if t.configuration.settings["dataset"] == "rings"
        or (t.configuration.settings["prior"] == "mog" and t.seed == 1)
    ]
    for trial in [*select, *report]:
        settings = trial.configuration.settings
        value = 9.0 + trial.seed + (0 if settings["beta_kl"] == 0.3 else 5)
        metrics = {"hist_kl_paper": value, "hist_jsd_paper": value / 2}
        recorder.start(trial)
        evaluation = Evaluation(
            iteration=30_000, status=Status.RUNNING, metrics=metrics, timestamp_ms=1, seconds=1.0
        )
        recorder.log(trial, [evaluation], rungs=())
        recorder.end(trial, Status.FINISHED)
    return read_result(client, study)


def cells(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_row_per_data_set_and_metric_a_column_per_model(result: StudyResult) -> None:
    metrics = ("hist_kl_paper", "hist_jsd_paper")
    text = paper_table(result, metrics=metrics, names={"sg": "SG"}, fmt="md")
    header, _, *rows = cells(text)
    assert header == ["", "metric", "SG", "ip_lc"]
    assert [row[0] for row in rows] == ["rings", "rings", "8gaussians", "8gaussians"]
    assert rows[0][1] == "hist_kl_paper \u2193"
    assert "11.0 \u00b1 1.0" in rows[0][2]
    assert (rows[2][2], rows[2][3]) == ("-", "**10.00**")
    assert "8gaussians / sg: 3 missing; 8gaussians / ip_lc: 2 missing" in text


def test_published_numbers_stand_beside_ours(result: StudyResult) -> None:
    text = published_table(
        result, metrics=("hist_kl_paper",), published="prior_learning_table1", fmt="csv"
    )
    rows = {row["group"]: row for row in csv.DictReader(io.StringIO(text))}
    sg = rows["rings / sg"]
    assert (sg["ours"], sg["published"]) == ("11.0 \u00b1 1.0", "9.99 \u00b1 0.59")
    distance = (11.0 - 9.99) / math.sqrt(1 / 3 + 0.59**2 / 5)
    assert sg["difference / standard error"] == f"{distance:+.1f}"
    assert rows["8gaussians / sg"]["difference / standard error"] == "-"
    assert rows["8gaussians / ip_lc"]["published"] == "2.24 \u00b1 1.6"


def test_chosen_settings_stand_beside_published_ones(result: StudyResult) -> None:
    parameters = ("beta_rec", "beta_kl", "beta_neg")
    text = settings_table(
        result, parameters=parameters, published="prior_learning_table3", fmt="csv"
    )
    rows = {row["group"]: list(row.values()) for row in csv.DictReader(io.StringIO(text))}
    assert rows["8gaussians / sg"][1:] == [
        "0.2",
        "0.3",
        "0.9",
        "0.2 / 0.3 / 0.9",
        "0.2 / 0.3 / 0.9",
    ]
    assert rows["rings / sg"][4:] == ["0.2 / 0.2 / 0.6", "0.2 / 0.2 / 1.0"]
    assert rows["rings / ip_lc"][4:] == ["-", "-"]
    plain = settings_table(result, parameters=parameters, published="", fmt="md")
    assert cells(plain)[0] == ["group", *parameters]


@pytest.mark.parametrize("name", TABLES)
def test_published_tables_are_whole(name: str) -> None:
    table = load_published(name)
    assert not table.duplicated([c for c in table if c not in ("mean", "std", "n")]).any()
    assert (table["mean"].astype(float) >= 0).all()
    assert (table["n"].astype(int) >= 3).all()
    assert not table["metric"].eq("").any()


def test_published_weights_are_found_by_settings() -> None:
    table = load_published("prior_learning_table5_weights")
    mog = {"trainer": "sintrovae", "prior": "mog", "components": 100, "intro_prior": True}
    for dataset, lc, weight in (("mnist", True, "10"), ("cifar10", False, "100")):
        settings = {**mog, "dataset": dataset, "learnable_contributions": lc}
        found = rows_for(table.drop(columns="r_entropy"), settings).index
        assert list(table["r_entropy"][found]) == [weight]
    assert len(table) == 27


def test_published_rows_are_found_by_settings() -> None:
    table = load_published("prior_learning_table1")
    sg = {"trainer": "sintrovae", "dataset": "rings", "prior": "gaussian", "components": 1}
    found = published_value(table, sg, "hist_kl_paper")
    assert found is not None
    assert found[:3] == (9.99, 0.59, 5)
    mog = sg | {"prior": "mog", "components": 64, "learnable_contributions": False}
    assert published_value(table, mog, "hist_kl_paper") is None  # whether it is an intro prior?
    assert published_value(table, mog | {"intro_prior": True}, "hist_kl_paper") is not None
    assert (
        published_value(table, mog | {"intro_prior": True, "components": 32}, "gnelbo_e7") is None
    )
    images = load_published("prior_learning_table5")
    digits = {"trainer": "sintrovae", "dataset": "mnist", "prior": "gaussian"}
    assert (
        published_value(images, digits | {"feature_extractor": "classifier"}, "fid_gen_paper")
        is None
    )
    of_inception = digits | {"feature_extractor": "inception"}
    assert published_value(images, of_inception, "fid_gen") is None  # which is another number
    inception = published_value(images, of_inception, "fid_gen_paper")
    assert inception is not None
    assert inception.mean == 1.414


def test_differences_without_a_spread() -> None:
    theirs = Published(1.0, 0.5, 5, "")
    # The error of a mean of five, from their own spread: 0.5 sqrt(5 / 4) / sqrt(5).
    assert difference_in_errors(2.0, 0.0, 3, theirs) == pytest.approx(1 / (0.5 / math.sqrt(4)))
    assert math.isnan(difference_in_errors(2.0, 0.5, 3, Published(1.0, 0.0, 1, "")))
    assert math.isnan(difference_in_errors(2.0, math.nan, 1, theirs))
    assert math.isnan(difference_in_errors(2.0, 0.5, 3, Published(1.0, math.nan, 5, "")))
    assert math.isnan(difference_in_errors(2.0, 0.0, 3, Published(1.0, 0.0, 5, "")))


def test_an_unknown_metric_is_refused(result: StudyResult) -> None:
    with pytest.raises(ConfigError, match="does not report 'hist_kl_papr'") as caught:
        paper_table(result, metrics=("hist_kl_papr",), names={}, fmt="md")
    assert "did you mean 'hist_kl_paper'" in caught.value.hint


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_latex_compiles(result: StudyResult, tmp_path: Path) -> None:
    metrics = ("hist_kl_paper", "hist_jsd_paper")
    tables = [
        paper_table(result, metrics=metrics, names={"sg": "SG_%"}, fmt="tex"),
        published_table(result, metrics=metrics, published="prior_learning_table1", fmt="tex"),
        settings_table(
            result, parameters=("beta_rec",), published="prior_learning_table3", fmt="tex"
        ),
    ]
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(head + "\n".join(tables) + "\\end{document}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout[-1500:]
