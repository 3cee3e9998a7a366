"""A study's report, from a real record to the files."""

from __future__ import annotations

import html.parser
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from introsearch.cli import main
from introsearch.errors import ConfigError
from introsearch.figures.search import draw_best_so_far, draw_marginals, draw_parallel
from introsearch.figures.style import image
from introsearch.record.recorder import Recorder, open_recorder
from introsearch.record.report import read_report
from introsearch.record.results import read_result
from introsearch.results.compute import Compute, compute_of
from introsearch.results.report.files import write_report
from introsearch.results.search import searched_frame
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand, report_trials, select_trials
from introsearch.trial.evaluation import Evaluation

METRIC = "hist_kl_paper"
STUDY = """\
name: reported
description: Is ip>sg?
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2, 3]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2, 0.5]}
  iterations: 1000
  warmup_iterations: 200
  lr_milestones: []
variants:
  sg: {prior: gaussian}
  ip+1: {prior: mog, components: 3, intro_prior: true}
early_terminate: {type: asha, min_iter: 500, max_iter: 1000, eta: 2}
evaluate_every: 500
resources: {cpus: 2, gpus: 0.5}
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


@pytest.fixture
def recorder(client: MlflowClient, study: Study, tmp_path: Path) -> Recorder:
    return open_recorder(client, study, folder=tmp_path / "runs" / study.name)


def end(recorder: Recorder, trial: Trial, status: str, value: float) -> None:
    last = {Status.FINISHED: 1000, Status.STOPPED: 500}.get(status, 0)
    recorder.start(trial)
    evaluations = [
        Evaluation(
            iteration=i,
            status=Status.RUNNING,
            metrics={METRIC: value + 1000 / i},
            timestamp_ms=i,
            seconds=i / 10,
            evaluation_seconds=i / 50,
        )
        for i in range(500, last + 1, 500)
    ]
    recorder.log(trial, evaluations, rungs=())
    recorder.end(trial, status, reason="<loss> is not finite" if not evaluations else "")


@pytest.fixture
def recorded(recorder: Recorder, study: Study) -> Recorder:
    """A study that has ended: per group one finished, one stopped and one diverged."""
    expansion = expand(study)
    statuses = (Status.FINISHED, Status.STOPPED, Status.DIVERGED)
    chosen = {}
    for group, members in expansion.members.items():
        for configuration, status in zip(members, statuses, strict=True):
            trial = next(
                t for t in select_trials(study, expansion) if t.configuration == configuration
            )
            end(recorder, trial, status, 5.0)
        chosen[group] = members[0].id
    for trial in report_trials(study, expansion, chosen):
        is_sg = "sg" in trial.configuration.variants
        end(recorder, trial, Status.FINISHED, trial.seed / 10 + (5.0 if is_sg else 0.0))
    recorder.end_study(Status.FINISHED)
    return recorder


class Page(html.parser.HTMLParser):
    """Checks that tags match, and gathers links and ids."""

    VOID = ("meta", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.links += [str(values["href"])] if "href" in values else []
        self.sources += [str(values["src"])] if "src" in values else []
        self.ids |= {str(values["id"])} if "id" in values else set()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_is_a_folder_that_needs_nothing_else(
    recorded: Recorder, study: Study, tmp_path: Path
) -> None:
    report = read_report(recorded.client, read_result(recorded.client, study))
    assert [figure.name for figure in report.figures] == [
        "curves", "parallel", "marginals", "best_so_far",
    ]  # fmt: skip
    folder = tmp_path / "out"
    write_report(report, folder, store_options=" --runs-dir there")
    tables = {f"{name}.{fmt}" for name in ("table", "chosen") for fmt in ("md", "csv", "tex")}
    figures = {f"{f.name}.{fmt}" for f in report.figures for fmt in ("png", "pdf")}
    assert {path.name for path in folder.iterdir()} == {"index.html", *tables, *figures}
    text = (folder / "index.html").read_text()
    page = Page(text)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "http" not in re.sub('data:[^"]*', "", text)
    assert {link.removeprefix("#") for link in page.links} == page.ids != set()
    assert "&lt;loss&gt; is not finite" in text
    assert "Is ip&gt;sg? In each of 2 groups" in text
    winner = report.result.chosen["rings / sg"]
    command = f"introsearch replay {winner}-s1 --study reported --runs-dir there"
    assert text.count(command) == 2  # the chosen configuration, and its run


def test_every_number_leads_to_its_runs(recorded: Recorder, study: Study, tmp_path: Path) -> None:
    result = read_result(recorded.client, study)
    write_report(
        read_report(recorded.client, result), tmp_path, runs_url="http://host/#/experiments/1/runs"
    )
    text = (tmp_path / "index.html").read_text()
    for run_id in result.frame[result.frame["seed"] > 0]["run_id"]:
        assert f'<a href="http://host/#/experiments/1/runs/{run_id}">{run_id}</a>' in text
    assert re.search(r'title="95 % interval [0-9.]+ to [0-9.]+; n 3; click', text)


def test_the_cost_of_a_study(recorded: Recorder, study: Study) -> None:
    compute = compute_of(study, read_result(recorded.client, study).frame)
    # Per group: 100 s finished, 50 s stopped half way, nothing diverged, 3 x 100 s reported.
    assert (compute.trials, compute.seconds, compute.saved_seconds) == (12, 900.0, 100.0)
    assert compute.core_hours == pytest.approx(0.5)
    assert compute.gpu_hours == pytest.approx(0.125)
    assert compute.saved_share == pytest.approx(0.1)
    assert compute.text() == (
        "12 trials, 15 min of work: 0.5 core-hours, 0.12 GPU-hours, 3 min (20%) of it for "
        "evaluations. Early termination saved 2 min (10%)."
    )


def test_many_hours_are_no_powers_of_ten() -> None:
    many = Compute(
        trials=1,
        seconds=1,
        evaluation_seconds=0,
        saved_seconds=0,
        core_hours=1_234.5,
        gpu_hours=99.6,
    )
    assert "1,234 core-hours, 100 GPU-hours" in many.text()


def test_what_a_search_tried(recorded: Recorder, study: Study) -> None:
    frame = read_result(recorded.client, study).frame
    histories = {run_id: {500: 7.0, 1000: 6.0} for run_id in frame["run_id"]}
    rows = searched_frame(study, frame, histories, searched=["beta_kl"])
    assert sorted(rows["status"]) == ["diverged"] * 2 + ["finished"] * 2 + ["stopped"] * 2
    finished = rows[rows["status"] == "finished"]
    assert list(finished["score"]) == [6.0, 6.0]
    assert rows[rows["status"] != "finished"]["score"].isna().all()
    assert set(rows["early"]) == {7.0}  # at the rung
    assert set(rows["beta_kl"]) == {0.1, 0.2, 0.5}


def test_a_study_without_anything_yet(recorder: Recorder, study: Study, tmp_path: Path) -> None:
    report = read_report(recorder.client, read_result(recorder.client, study))
    assert [figure.name for figure in report.figures] == ["curves"]
    write_report(report, tmp_path / "empty")
    text = (tmp_path / "empty" / "index.html").read_text()
    Page(text)
    assert "No runs yet." in text
    assert "none finished" in text


def test_a_folder_that_cannot_be_written(recorder: Recorder, study: Study, tmp_path: Path) -> None:
    report = read_report(recorder.client, read_result(recorder.client, study))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write the report"):
        write_report(report, tmp_path / "file" / "report")


def rows_of(values: list[dict[str, Any]]) -> pd.DataFrame:
    usual = {
        "group": "rings / sg", "config_id": "a", "status": "finished", "score": 1.0, "early": 2.0,
        "seconds": 10.0, "end_ms": 1.0, "beta": 0.1, "prior": "mog",
    }  # fmt: skip
    return pd.DataFrame([usual | value for value in values])


@pytest.mark.parametrize(
    "values",
    [
        [{}],
        [{"score": math.nan, "early": math.nan, "status": "diverged"}],
        [{"beta": math.nan, "prior": None}, {"beta": 1e-9}],
        [
            {"beta": 10.0**-i, "score": 10.0**i, "early": -(10.0**i), "end_ms": -i}
            for i in range(30)
        ],
        [{"beta": value} for value in (True, False, None)],
        [{"prior": [1, 2]}, {"prior": [3]}, {"group": "$x_ / y"}],
        [{"group": f"{i} / g{j}", "score": float(i)} for i in range(3) for j in range(4)],
        [{"score": 0.0}, {"score": 0.0, "beta": 0.2}],
    ],
)
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_hostile_searches_draw_without_a_warning(values: list[dict[str, Any]], goal: str) -> None:
    rows = rows_of(values)
    parameters = ["beta", "prior"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in (
            draw_parallel(rows, parameters=parameters, metric="$m_", goal=goal, title="$"),
            draw_marginals(rows, parameters=parameters, metric="$m_", title="$"),
            draw_best_so_far(rows, metric="$m_", goal=goal, title="$"),
        ):
            image(figure)


def test_the_best_so_far_only_improves() -> None:
    scores = [3.0, math.nan, 5.0, 1.0, 2.0]
    rows = rows_of([{"score": s, "end_ms": float(i)} for i, s in enumerate(scores)])
    for goal, expected in (("minimize", [3, 3, 3, 1, 1]), ("maximize", [3, 3, 5, 5, 5])):
        figure = draw_best_so_far(
            rows.sample(frac=1, random_state=1), metric="m", goal=goal, title=""
        )
        line = figure.axes[0].lines[0]
        assert list(np.asarray(line.get_ydata())) == expected
        assert list(np.asarray(line.get_xdata())) == pytest.approx([i / 6 for i in range(1, 6)])


def test_the_command(
    recorded: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--runs-dir", str(tmp_path)]  # where the fixture's store is
    assert main(["report", "reported", "--format", "csv", *store]) == 0
    assert capsys.readouterr().out.startswith("group,config_id,metric,mean")
    assert not (tmp_path / "reported" / "report").exists()
    assert main(["report", "reported", *store]) == 0
    assert "report/index.html" in capsys.readouterr().out
    assert (tmp_path / "reported" / "report" / "index.html").exists()
    kept = recorded.client.list_artifacts(recorded.study_run, "report")
    assert "report/index.html" in {file.path for file in kept}
    assert main(["report", "reported", "--out", str(tmp_path / "mlflow.db"), *store]) == 2
    assert "cannot write the report" in capsys.readouterr().err
