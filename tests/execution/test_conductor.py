"""The conductor with a real record, and simulated trials in every order and with every mishap."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from introsearch.execution.conductor import Conductor
from introsearch.execution.progress import Progress
from introsearch.files import checkpoint_path, figure_path, traceback_path, write_atomically
from introsearch.record import tags
from introsearch.record.recorder import open_recorder
from introsearch.record.runs import runs_of
from introsearch.results.status.standing import standing
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial, trial_name
from introsearch.study.search.expand import expand, ladder_order, select_trials
from introsearch.study.stopping.ladder import Ladder
from introsearch.trial.evaluation import Evaluation
from tests.conftest import close, open_quickly

METRIC = "hist_kl_paper"
EVERY, END, RUNGS = 100, 500, (200, 400)
STUDY = """\
name: conducted
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  iterations: 500
  warmup_iterations: 100
  lr_milestones: []
variants:
  low: {beta_neg: {values: [1, 2, 3, 4]}}
  high: {beta_neg: {values: [3, 4, 5, 6]}}
  mog: {prior: mog, components: 3, beta_neg: {values: [1, 2]}}
early_terminate: {type: asha, min_iter: 200, max_iter: 500, eta: 2}
evaluate_every: 100
budget: {max_failed_trials: 1}
"""
Record = dict[str, Any]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


class Curves:
    """What each trial measures, as if trained; diverging trials say so after some iteration."""

    def __init__(self, salt: int, diverging: Mapping[str, int] | None = None) -> None:
        self.salt = salt
        self.diverging = dict(diverging or {})
        self.best = ""

    def evaluations(self, name: str) -> list[Evaluation]:
        evaluations = []
        for iteration in range(EVERY, END + 1, EVERY):
            if iteration > self.diverging.get(name, END):
                bad = self.diverging[name] + 7
                evaluations.append(self._evaluation(name, bad, Status.DIVERGED))
                break
            status = Status.FINISHED if iteration == END else Status.RUNNING
            evaluations.append(self._evaluation(name, iteration, status))
        return evaluations

    def value(self, name: str, iteration: int) -> float:
        if name == self.best:
            return 0.0
        text = f"{self.salt}/{name}/{iteration}"
        return int(hashlib.sha256(text.encode()).hexdigest()[:6], 16) / 16**6

    def _evaluation(self, name: str, iteration: int, status: str) -> Evaluation:
        diverged = status == Status.DIVERGED
        value = self.value(name, iteration)
        return Evaluation(
            iteration=iteration,
            status=status,
            metrics={} if diverged else {METRIC: value, "loss/kl": 2 * value},
            timestamp_ms=1_000 + iteration,
            seconds=iteration / 100,
            reason="loss is not finite" if diverged else "",
        )


class Reversed(Curves):
    """Averaged weights that say the opposite."""

    def _evaluation(self, name: str, iteration: int, status: str) -> Evaluation:
        evaluation = super()._evaluation(name, iteration, status)
        if METRIC not in evaluation.metrics:
            return evaluation
        averaged = {"averaged/" + METRIC: -evaluation.metrics[METRIC]}
        return dataclasses.replace(evaluation, metrics=evaluation.metrics | averaged)


class Collapsing(Curves):
    """The best trial has no active unit, others have three."""

    def _evaluation(self, name: str, iteration: int, status: str) -> Evaluation:
        evaluation = super()._evaluation(name, iteration, status)
        units = {"active_units": 0.0 if name == self.best else 3.0}
        return dataclasses.replace(evaluation, metrics=evaluation.metrics | units)


class Costly(Curves):
    """Computes a costly metric at the end."""

    def _evaluation(self, name: str, iteration: int, status: str) -> Evaluation:
        evaluation = super()._evaluation(name, iteration, status)
        costly = {"gnelbo_e7": 1.5} if status == Status.FINISHED else {}
        return dataclasses.replace(evaluation, metrics=evaluation.metrics | costly)


class Killed(Exception):
    """The driver dies here."""


class Site:
    """A study's folder and store, and a runner of simulated trials in place of Ray Tune."""

    def __init__(self, study: Study, client: MlflowClient, folder: Path, curves: Curves) -> None:
        self.study = study
        self.client = client
        self.folder = folder
        self.curves = curves
        self.conductor = self.open()

    def open(self, **options: Any) -> Conductor:
        """As a new driver would: all that it knows is in the store."""
        expansion = expand(self.study)
        ladders = {
            group: Ladder(ladder_order(self.study, expansion, group), RUNGS, eta=2)
            for group in expansion.groups
        }
        arguments: dict[str, Any] = {
            "trials": select_trials(self.study, expansion),
            "ladders": ladders,
            "folder": self.folder,
        }
        self.recorder = open_recorder(self.client, self.study, folder=self.folder)
        self.conductor = Conductor(self.study, self.recorder, **arguments | options)
        return self.conductor

    def run(self, *, seed: int = 0, at_once: int = 3, kill_after: int | None = None) -> None:
        """Deliver all reports in a random order, at most `at_once` trials running at a time."""
        rng, conductor, delivered = random.Random(seed), self.conductor, 0
        waiting = [trial.name for trial in conductor.pending()]
        running: dict[str, Iterator[Evaluation]] = {}
        while waiting or running:
            while waiting and len(running) < at_once:
                name = waiting.pop(0)
                conductor.on_start(name)
                running[name] = iter(self.curves.evaluations(name))
            if delivered == kill_after:
                raise Killed
            name = rng.choice(sorted(running))
            evaluation = next(running[name])
            self._leave_files(name, evaluation)
            delivered += 1
            stop = conductor.on_evaluation(name, evaluation)
            if stop or evaluation.status != Status.RUNNING:
                del running[name]

    def _leave_files(self, name: str, evaluation: Evaluation) -> None:
        write_atomically(checkpoint_path(self.folder, name), b"state")
        if evaluation.iteration in (*RUNGS, END):
            path = figure_path(self.folder, name, "model", iteration=evaluation.iteration)
            write_atomically(path, str(evaluation.iteration).encode())

    def record(self) -> dict[str, Record]:
        """Everything that is recorded of each trial, but when it was."""
        runs = runs_of(self.client, self.recorder.experiment_id, level="seed")
        entries = [
            (trial_name(r.data.tags[tags.CONFIG_ID], int(r.data.tags[tags.SEED])), r) for r in runs
        ]
        assert len(dict(entries)) == len(entries), "two runs of the same trial"
        words = (tags.STATUS, tags.REASON, tags.DECISION, tags.ITERATION, tags.RUNGS)
        return {
            name: {word: run.data.tags.get(word) for word in words}
            | {"mlflow": run.info.status, "artifacts": self._artifacts(run.info.run_id)}
            | {key: self._points(run.info.run_id, key) for key in (METRIC, "loss/kl", "seconds")}
            for name, run in sorted(entries)
        }

    def _points(self, run_id: str, key: str) -> list[tuple[int, float, int]]:
        history = self.client.get_metric_history(run_id, key)
        return sorted((point.step, point.value, point.timestamp) for point in history)

    def _artifacts(self, run_id: str) -> list[str]:
        return sorted(artifact.path for artifact in self.client.list_artifacts(run_id))


MakeSite = Callable[..., Site]


@pytest.fixture(scope="module")
def whole(
    study: Study, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A study that was left alone, in which some trials diverge. Not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(empty_database, folder)
    client = open_quickly(folder / "mlflow.db")
    site = Site(study, client, folder, Curves(4, some_diverging(study)))
    site.run(seed=1)
    yield site
    close(client)


@pytest.fixture(scope="module")
def whole_record(whole: Site) -> dict[str, Record]:
    return whole.record()


@pytest.fixture
def make_site(study: Study, empty_database: Path, tmp_path: Path) -> Iterator[MakeSite]:
    """Sites with a store each, in folders of their own."""
    clients: list[MlflowClient] = []

    def make(curves: Curves, *, study: Study = study) -> Site:
        folder = tmp_path / f"site_{len(clients)}"
        folder.mkdir()
        shutil.copy(empty_database, folder / "mlflow.db")
        clients.append(open_quickly(folder / "mlflow.db"))
        return Site(study, clients[-1], folder, curves)

    yield make
    for client in clients:
        close(client)


def names(study: Study, group: str) -> tuple[str, ...]:
    return ladder_order(study, expand(study), group)


def statuses(site: Site) -> dict[str, str]:
    return {name: entry[tags.STATUS] for name, entry in site.record().items()}


def some_diverging(study: Study) -> dict[str, int]:
    """One before the first rung, one between rungs, one at the end; in several groups."""
    return {
        names(study, "low")[0]: 100,
        names(study, "high")[1]: 200,
        names(study, "mog")[0]: 400,
    }


# -- the record does not depend on the order ------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 100])
def test_any_order_of_reports_gives_the_same_record(
    whole: Site, whole_record: dict[str, Record], make_site: MakeSite, at_once: int
) -> None:
    """As that of three trials at a time."""
    site = make_site(whole.curves)
    site.run(seed=at_once, at_once=at_once)
    assert not site.conductor.pending()
    assert not site.conductor.open
    ends = {entry[tags.STATUS] for entry in whole_record.values()}
    assert len(ends) > 1, "all trials ended alike: shows little"
    assert site.record() == whole_record


def test_the_record_is_what_the_ladders_say(study: Study, make_site: MakeSite) -> None:
    """Against full curves: stopped trials end at their rung, kept ones at their end."""
    site = make_site(Curves(3))
    site.run(seed=5, at_once=100)
    for name, entry in site.record().items():
        trial = site.conductor.trials[name]
        ladders = [site.conductor.ladders[g] for g in trial.configuration.groups]
        decisions = [ladder.decision(name) for ladder in ladders]
        stopped = all(d.action == "stop" for d in decisions)
        assert entry[tags.STATUS] == (Status.STOPPED if stopped else Status.FINISHED)
        end = max(d.iteration or 0 for d in decisions) if stopped else END
        assert entry[tags.ITERATION] == str(end)
        assert [p[0] for p in entry[METRIC]] == list(range(EVERY, end + 1, EVERY))
        assert entry[tags.DECISION] == "; ".join(d.text for d in decisions)
        assert "waits" not in entry[tags.DECISION]
        expected = {str(r): site.curves.value(name, r) for r in RUNGS if r <= end}
        assert json.loads(entry[tags.RUNGS]) == {METRIC: expected}
        drawn = [i for i in (*RUNGS, END) if i <= end]
        assert entry["artifacts"] == [f"model_{i:07d}.png" for i in drawn]


def test_rungs_compare_averaged_weights_where_asked(study: Study, make_site: MakeSite) -> None:
    """Ranks by the averaged metric are the reverse here: decisions must follow them."""
    asked = study.early_terminate.changed(averaged=True)
    averaged = study.changed(early_terminate=asked)
    plain, site = make_site(Curves(3)), make_site(Reversed(3), study=averaged)
    for one in (plain, site):
        one.run()
    assert statuses(plain) != statuses(site)
    for name, entry in site.record().items():
        values = json.loads(entry[tags.RUNGS])["averaged/" + METRIC]
        assert all(v == -site.curves.value(name, int(r)) for r, v in values.items())
        reached = [r for r in RUNGS if r <= int(entry[tags.ITERATION])]
        assert [int(r) for r in values] == reached


@pytest.mark.parametrize("least", [None, 1])
def test_a_collapsed_trial_ranks_last_where_asked(
    study: Study, make_site: MakeSite, least: int | None
) -> None:
    asked = study.early_terminate.changed(min_active_units=least)
    curves = Collapsing(3)
    curves.best = names(study, "mog")[-1]
    site = make_site(curves, study=study.changed(early_terminate=asked))
    site.run()
    entry = site.record()[curves.best]
    assert entry[tags.STATUS] == (Status.STOPPED if least else Status.FINISHED)
    key = f"{METRIC} of at least 1 active units" if least else METRIC
    values = json.loads(entry[tags.RUNGS])[key]
    assert str(values["200"]) == ("nan" if least else "0.0")
    if least:
        assert entry[tags.DECISION] == "rung 1 at 200: 2nd of 2, keep 1 (0 active units)"
    assert entry[METRIC][0][1] == 0.0, "the record has what was measured"
    again = site.open()
    assert again.done
    (trial,) = [t for t in again.trials.values() if t.name == curves.best]
    state = site.recorder.trials[trial.name]
    state.entry = dataclasses.replace(state.entry, rungs={})
    assert str(site.recorder.rung_values(trial, rungs=(200,))[200]) == str(values["200"])


# -- kills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill_after", [1, 15])
def test_a_killed_driver_is_continued_to_the_same_record(
    whole: Site, whole_record: dict[str, Record], make_site: MakeSite, kill_after: int
) -> None:
    killed = make_site(whole.curves)
    for seed, moment in enumerate((kill_after, 2)):
        killed.open()
        with pytest.raises(Killed):
            killed.run(seed=seed, at_once=4, kill_after=moment)
    killed.open()
    killed.run(seed=9)
    assert killed.record() == whole_record


def test_an_interrupted_trial_is_marked_and_continued(
    whole: Site, whole_record: dict[str, Record], make_site: MakeSite
) -> None:
    site = make_site(whole.curves)
    with pytest.raises(Killed):
        site.run(seed=3, at_once=4, kill_after=2)
    assert Status.RUNNING in statuses(site).values()
    site.open().interrupt()  # before any of the killed driver's trials begins again
    assert Status.RUNNING not in statuses(site).values()
    with pytest.raises(Killed):
        site.run(seed=3, at_once=4, kill_after=12)
    site.conductor.interrupt()
    assert not site.conductor.open
    interrupted = [e for e in site.record().values() if e[tags.STATUS] == Status.INTERRUPTED]
    assert interrupted
    assert {entry["mlflow"] for entry in interrupted} == {"KILLED"}
    assert Status.RUNNING not in statuses(site).values()
    site.open()
    site.run(seed=4)
    assert site.record() == whole_record


def test_nothing_is_left_to_do_for_a_finished_stage(
    whole: Site, whole_record: dict[str, Record]
) -> None:
    assert whole.open().pending() == []
    assert whole.record() == whole_record


def test_hearing_a_report_twice_changes_nothing(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(7))
    name = site.conductor.pending()[0].name
    first, second = site.curves.evaluations(name)[:2]
    site.conductor.on_start(name)
    for evaluation in (first, first, second, first, second):
        assert not site.conductor.on_evaluation(name, evaluation)
    assert [p[0] for p in site.record()[name][METRIC]] == [100, 200]


# -- speculation ----------------------------------------------------------------------------------


def test_what_lies_beyond_an_undecided_rung_is_not_recorded(
    study: Study, make_site: MakeSite
) -> None:
    site = make_site(Curves(8))
    first, second = names(study, "mog")
    for name in (first, second):
        site.conductor.on_start(name)
    for evaluation in site.curves.evaluations(second):  # to its end, before the first one's rung
        assert not site.conductor.on_evaluation(second, evaluation)
    entry = site.record()[second]
    assert [p[0] for p in entry[METRIC]] == [100, 200]
    assert entry[tags.STATUS] == Status.RUNNING


def test_a_trial_waits_for_all_its_groups(study: Study, make_site: MakeSite) -> None:
    """Finished, and kept by one group, it is not recorded before the other has decided too."""
    low, high = names(study, "low"), names(study, "high")
    shared = next(name for name in low if name in high)
    site = make_site(Curves(9))
    orders = {
        "low": (shared, *(n for n in low if n != shared)),
        "high": (*(n for n in high if n != shared), shared),
    }
    site.open(ladders={g: Ladder(order, RUNGS, eta=2) for g, order in orders.items()})
    site.curves.best = shared
    site.conductor.on_start(shared)
    for evaluation in site.curves.evaluations(shared):
        site.conductor.on_evaluation(shared, evaluation)
    decisions = {g: site.conductor.ladders[g].decision(shared).action for g in orders}
    assert decisions == {"low": "keep", "high": "wait"}
    assert site.conductor.status(shared) == Status.RUNNING
    site.run()
    assert site.record()[shared][tags.STATUS] == Status.FINISHED


# -- mishaps --------------------------------------------------------------------------------------

TRACEBACK = "Traceback (most recent call last):\n  ...\nRuntimeError: out of memory\n"


def test_a_crash_is_recorded_and_tried_again(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(10))
    name = names(study, "mog")[0]
    site.conductor.on_start(name)
    site.conductor.on_evaluation(name, site.curves.evaluations(name)[0])
    site.conductor.on_crash(name, f"\x1b[36m{TRACEBACK}\x1b[39m")
    assert traceback_path(site.folder, name).read_text() == TRACEBACK
    entry = site.record()[name]
    assert entry[tags.STATUS] == Status.FAILED
    assert entry[tags.REASON] == "RuntimeError: out of memory"
    assert entry["mlflow"] == "FAILED"
    assert entry["artifacts"] == [f"{name}.txt"]
    assert name not in [t.name for t in site.conductor.pending()], "not again in the same run"
    assert not site.conductor.abort_reason, "one crash is within the budget"
    site.run()
    assert not site.conductor.pending()

    assert [t.name for t in site.open().pending()] == [name]
    site.run()
    entry = site.record()[name]
    assert entry[tags.STATUS] == Status.FINISHED
    assert entry[tags.REASON] == ""
    assert not (site.folder / "failures" / f"{name}.txt").exists()


def test_why_trials_failed_is_told_at_once(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(10))
    text = io.StringIO()
    console = Console(file=text, soft_wrap=True)
    progress = Progress(console)
    for name in names(study, "mog")[:2]:
        site.conductor.on_crash(name, TRACEBACK)
        progress.update(site.conductor)
    first = names(study, "mog")[0]
    assert text.getvalue() == f"{first} failed: RuntimeError: out of memory\n", "each reason once"


def test_the_live_table_fits_a_narrow_terminal(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(10))
    site.conductor.on_crash(names(study, "mog")[0], TRACEBACK)
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system=None, width=60)
    study, recorded = site.study, site.recorder.recorded
    with Progress(console) as progress:
        progress.start_stage(
            "select",
            site.conductor,
            look=lambda: standing(study, recorded(), state=Status.RUNNING, active=True),
        )
    assert "group  finished  running  failed  pending  best" in text.getvalue()
    assert "\u2026" not in text.getvalue(), "nothing is cut"


def test_a_trial_that_cannot_even_start_is_a_crash(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(10))
    name = names(study, "low")[0]
    site.conductor.on_crash(name, "")
    entry = site.record()[name]
    assert entry[tags.STATUS] == Status.FAILED
    assert entry[tags.REASON] == "unknown"


def test_a_crash_after_the_outcome_was_certain_is_none(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(11))
    site.run()
    name = next(n for n, status in statuses(site).items() if status == Status.STOPPED)
    before = site.record()
    site.conductor.on_crash(name, TRACEBACK)
    assert site.record() == before


def test_a_crashed_trial_does_not_hold_up_the_others(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(12))
    name = names(study, "mog")[0]
    site.conductor.on_crash(name, TRACEBACK)
    site.run(seed=1)
    assert not site.conductor.open
    assert Status.RUNNING not in statuses(site).values()


def test_too_many_crashes_abort(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(13))
    first, second = names(study, "mog")
    site.conductor.on_crash(first, TRACEBACK)
    assert not site.conductor.abort_reason
    site.conductor.on_crash(second, TRACEBACK)
    assert "max_failed_trials" in site.conductor.abort_reason
    # Both are tried again by the next run: the crashes before do not count.
    again = site.open()
    again.on_crash(first, TRACEBACK)
    assert not again.abort_reason


def test_a_group_whose_trials_all_diverge_ends(study: Study, make_site: MakeSite) -> None:
    diverging = dict.fromkeys(names(study, "mog"), 100)
    site = make_site(Curves(14, diverging))
    site.run(seed=2, at_once=100)
    assert not site.conductor.open
    entries = site.record()
    for name in diverging:
        entry = entries[name]
        assert entry[tags.STATUS] == Status.DIVERGED
        assert entry[tags.REASON] == "loss is not finite"
        assert entry[tags.ITERATION] == "107"
        assert [p[0] for p in entry[METRIC]] == [100]


def test_a_stopped_trial_can_be_reopened(study: Study, make_site: MakeSite) -> None:
    site = make_site(Curves(15))
    site.run()
    stopped = [n for n, status in statuses(site).items() if status == Status.STOPPED]
    trials: Sequence[Trial] = [site.conductor.trials[n] for n in stopped]
    assert site.open(trials=trials).pending() == []
    revived = site.open(trials=trials, ladders={}, reopen_stopped=True)
    assert revived.pending() == list(trials)
    site.run()
    entries = site.record()
    for name in stopped:
        entry = entries[name]
        assert entry[tags.STATUS] == Status.FINISHED
        assert [p[0] for p in entry[METRIC]] == list(range(EVERY, END + 1, EVERY))


def test_checkpoints_of_stopped_trials_are_kept(
    whole: Site, whole_record: dict[str, Record]
) -> None:
    """They may be reopened; finished ones may not."""
    for name, entry in whole_record.items():
        kept = checkpoint_path(whole.folder, name).exists()
        assert kept == (entry[tags.STATUS] == Status.STOPPED)


def test_a_selecting_seed_that_is_reported_later_is_run_again_for_what_it_lacks(
    study: Study, make_site: MakeSite
) -> None:
    site = make_site(Curves(11))
    site.run()
    finished = [name for name, status in statuses(site).items() if status == Status.FINISHED]
    before = site.record()
    trial = dataclasses.replace(site.conductor.trials[finished[0]], stage="report")
    reported = study.changed(seeds=study.seeds.changed(report=(0,), reuse_seeds=True))
    site.study = reported
    site.curves = Costly(11)
    options: dict[str, Any] = {"trials": [trial], "ladders": {}, "reopen_stopped": True}
    site.open(**options)
    assert site.conductor.pending() == [trial]
    site.run()
    (run,) = [
        r
        for r in runs_of(site.client, site.recorder.experiment_id, level="seed")
        if r.info.run_id == site.recorder.trials[trial.name].run_id
    ]
    assert [p[:2] for p in site._points(run.info.run_id, "gnelbo_e7")] == [(END, 1.5)]
    words = (METRIC, "loss/kl", tags.STATUS, tags.ITERATION, "artifacts")
    after = site.record()
    assert {w: after[trial.name][w] for w in words} == {w: before[trial.name][w] for w in words}
    assert site.open(**options).pending() == []
