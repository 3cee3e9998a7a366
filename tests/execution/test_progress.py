"""The live table and the line of a log: the same numbers as `introsearch status`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from introsearch.execution.conductor import Conductor
from introsearch.execution.progress import Progress
from introsearch.record.recorder import open_recorder
from introsearch.record.status import read_status
from introsearch.results.status.model import StudyStatus
from introsearch.results.status.standing import standing
from introsearch.statuses import Status
from introsearch.study.search.expand import expand, select_trials
from introsearch.trial.evaluation import Evaluation
from tests.conftest import Load

STUDY = """\
name: seen
trainer: vae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0, 4], report: [1, 2, 3]}
parameters: {dataset: rings, beta_kl: {values: [0.1, 0.2]}, iterations: 800}
variants: {sg: {prior: gaussian}}
"""


class Site:
    """A study of which one configuration has finished with both seeds, and one trial runs."""

    def __init__(self, client: MlflowClient, load: Load, folder: Path) -> None:
        self.study = load(STUDY)
        self.recorder = open_recorder(client, self.study, folder=folder)
        trials = select_trials(self.study, expand(self.study))
        for trial, value in zip(trials[:3], (1.0, 4.0, 0.1), strict=True):
            evaluation = Evaluation(
                iteration=800,
                status=Status.RUNNING,
                metrics={"hist_kl_paper": value},
                timestamp_ms=10_000,
                seconds=8.0,
            )
            self.recorder.start(trial)
            self.recorder.log(trial, [evaluation], rungs=())
        for trial in trials[:2]:
            self.recorder.end(trial, Status.FINISHED)
        self.conductor = Conductor(
            self.study, self.recorder, trials=trials, ladders={}, folder=folder
        )

    def look(self) -> StudyStatus:
        recorded = self.recorder.recorded()
        return standing(self.study, recorded, state=Status.RUNNING, active=True)


@pytest.fixture
def site(client: MlflowClient, load: Load, tmp_path: Path) -> Site:
    return Site(client, load, tmp_path)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, color_system=None, width=80)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_best_is_a_mean_over_seeds_as_in_status(site: Site) -> None:
    screen = console(terminal=True)
    with Progress(screen) as progress:
        progress.start_stage("select", site.conductor, look=site.look)
    row = next(line for line in printed(screen) if line.startswith("sg"))
    assert row.split() == ["sg", "2", "1", "1", "2.5"], "of 1 and 4, not the 0.1 that still runs"


def test_a_log_gets_a_line_a_minute(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("introsearch.execution.progress.time.monotonic", lambda: now[0])
    log = console(terminal=False)
    with Progress(log) as progress:
        progress.start_stage("select", site.conductor, look=site.look)
        for now[0] in range(0, 130, 10):
            progress.update(site.conductor)
    first, *lines = printed(log)
    assert first == "select: 4 trials, 2 already recorded"
    assert [line.partition(": ")[0] for line in lines] == [
        "select 2/4 after 1 min",
        "select 2/4 after 2 min",
    ]
    assert lines[0].partition(": ")[2].startswith("2 finished, 1 running, about ")


def test_one_trial_that_goes_on(site: Site) -> None:
    log = console(terminal=False)
    one = Conductor(
        site.study,
        site.recorder,
        trials=[site.conductor.trials[name] for name in list(site.conductor.trials)[3:]],
        ladders={},
        folder=Path(),
    )
    with Progress(log) as progress:
        progress.start_stage("select", one, look=site.look, again=True)
    assert printed(log) == ["select, continued: 1 trial"]


def test_a_driver_and_a_reader_of_the_record_see_the_same(site: Site) -> None:
    live, read = site.look(), read_status(site.recorder.client, "seen", active=True)
    assert live.groups == read.groups
    assert [(t.name, t.status, t.value, t.seconds, t.last_ms) for t in live.trials] == [
        (t.name, t.status, t.value, t.seconds, t.last_ms) for t in read.trials
    ]
    assert live.at_once == pytest.approx(read.at_once, rel=1e-3)
    assert live.eta_seconds == pytest.approx(read.eta_seconds, rel=1e-3)


def test_looking_takes_a_small_share_of_the_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of thousands of trials takes a second to look at."""
    now = [0.0]
    monkeypatch.setattr("introsearch.execution.progress.time.monotonic", lambda: now[0])
    looks: list[float] = []

    def look() -> StudyStatus:
        looks.append(now[0])
        now[0] += 1.0
        return site.look()

    with Progress(console(terminal=True)) as progress:
        progress.start_stage("select", site.conductor, look=look)
        while now[0] < 100:
            now[0] += 0.1
            progress.update(site.conductor)
    assert 4 <= len(looks) <= 6
