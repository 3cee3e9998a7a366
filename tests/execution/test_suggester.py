"""TPE with a real record: the same suggestions whatever ends first, and after any kill."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from introsearch.execution.conductor import Conductor
from introsearch.execution.suggester import Suggester
from introsearch.record import tags
from introsearch.record.recorder import open_recorder
from introsearch.record.results import read_result
from introsearch.record.runs import find_experiment, read_expansion, runs_of
from introsearch.record.status import read_status
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import ladder_order, select_trials
from introsearch.study.search.suggestions import expand_suggested
from introsearch.study.stopping.ladder import Ladder
from introsearch.trial.evaluation import Evaluation
from tests.conftest import close, open_quickly

METRIC = "hist_kl_paper"
STUDY = """\
name: suggested
trainer: sintrovae
method: tpe
metric: {name: hist_kl_paper}
groups: [dataset]
seeds: {select: [0, 1], report: [2]}
parameters:
  dataset: {values: [rings, 8gaussians]}
  beta_kl: {distribution: log_uniform, min: 0.01, max: 1}
  iterations: 300
  warmup_iterations: 50
  handover_iterations: 10
  lr_milestones: []
variants:
  sg: {prior: gaussian}
  mog: {prior: mog, components: {values: [2, 4, 8]}}
early_terminate: {type: asha, min_iter: 100, max_iter: 300, eta: 3}
evaluate_every: 100
tpe: {num_startup: 3, num_parallel: 3}
budget: {max_trials: 7}
"""
Record = dict[tuple[str, str], dict[str, Any]]


class Killed(Exception):
    """The driver dies here."""


class Site:
    """A store, and a runner of simulated trials in place of Ray Tune."""

    def __init__(self, study: Study, client: MlflowClient, folder: Path) -> None:
        self.study = study
        self.client = client
        self.folder = folder
        self.crashing: set[str] = set()
        self.open()

    def open(self) -> None:
        """As a new driver would: all that it knows is in the store."""
        self.recorder = open_recorder(self.client, self.study, folder=self.folder)
        expansion = expand_suggested(self.study, self.recorder.suggested.values())
        rule = self.study.early_terminate
        ladders = {
            group: Ladder(ladder_order(self.study, expansion, group), rule.rungs, eta=rule.eta)
            for group in expansion.groups
            if rule
        }
        self.conductor = Conductor(
            self.study,
            self.recorder,
            trials=select_trials(self.study, expansion),
            ladders=ladders,
            folder=self.folder,
            suggester=Suggester(self.study, self.recorder),
        )

    def run(self, *, seed: int = 0, at_once: int = 100, kill_after: int | None = None) -> None:
        """Deliver all reports in a random order, at most `at_once` trials running at a time."""
        rng, conductor, delivered = random.Random(seed), self.conductor, 0
        conductor.offer()
        running: dict[str, Iterator[Evaluation]] = {}
        while True:
            while len(running) < at_once and (trial := conductor.next_trial()):
                conductor.on_start(trial.name)
                running[trial.name] = evaluations(trial)
            if not running:
                return
            if delivered == kill_after:
                raise Killed
            delivered += 1
            name = rng.choice(sorted(running))
            self._deliver(name, running)

    def _deliver(self, name: str, running: dict[str, Iterator[Evaluation]]) -> None:
        if name in self.crashing:
            self.conductor.on_crash(name, "Failure # 1\nValueError: bad")
            del running[name]
            return
        evaluation = next(running[name])
        stop = self.conductor.on_evaluation(name, evaluation)
        if stop or evaluation.status != Status.RUNNING:
            del running[name]

    def record(self) -> Record:
        """What is recorded of suggestions and trials."""
        experiment = find_experiment(self.client, self.study.name)
        words = (tags.SUGGESTED, tags.SETTINGS, tags.STATUS, tags.DECISION, tags.RUNGS)
        found: Record = {}
        for level in ("configuration", "seed"):
            for run in runs_of(self.client, experiment, level=level):
                texts = run.data.tags
                key = (texts[tags.CONFIG_ID], texts.get(tags.SEED, ""))
                assert key not in found, f"two runs of {key}"
                found[key] = {word: texts.get(word) for word in words} | {
                    "last": run.data.metrics.get(METRIC)
                }
        return found

    def statuses(self) -> list[str]:
        return [e[tags.STATUS] for e in self.record().values() if e[tags.STATUS]]


def evaluations(trial: Trial) -> Iterator[Evaluation]:
    """Best at a beta_kl of 0.1; some configurations diverge half-way, with every seed."""
    settings = trial.configuration.settings
    diverging = hashlib.sha256(trial.configuration.id.encode()).digest()[0] % 5 == 0
    for iteration in (100, 200, 300):
        bad = diverging and iteration == 200
        value = abs(settings["beta_kl"] - 0.1) + 10 / iteration + 0.01 * trial.seed
        status = Status.FINISHED if iteration == 300 else Status.RUNNING
        yield Evaluation(
            iteration=iteration,
            status=Status.DIVERGED if bad else status,
            metrics={} if bad else {METRIC: value},
            timestamp_ms=1_000 + iteration,
            seconds=iteration,
        )
        if bad:
            return


MakeSite = Callable[..., Site]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load(tmp_path_factory.mktemp("study"), STUDY)


def load(folder: Path, text: str) -> Study:
    (folder / "study.yaml").write_text(text)
    return load_study(folder / "study.yaml")


@pytest.fixture(scope="module")
def whole(
    study: Study, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A study that was left alone. Not to be changed: `make_site` makes copies of it."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(empty_database, folder)
    client = open_quickly(folder / "mlflow.db")
    site = Site(study, client, folder)
    site.run(seed=1)
    yield site
    close(client)


@pytest.fixture
def make_site(study: Study, empty_database: Path, tmp_path: Path) -> Iterator[MakeSite]:
    """Sites with a store each."""
    clients: list[MlflowClient] = []

    def make(study: Study = study, *, like: Site | None = None) -> Site:
        folder = tmp_path / f"site_{len(clients)}"
        folder.mkdir()
        shutil.copy(like.folder / "mlflow.db" if like else empty_database, folder / "mlflow.db")
        clients.append(open_quickly(folder / "mlflow.db"))
        return Site(study, clients[-1], folder)

    yield make
    for client in clients:
        close(client)


def test_any_order_of_completion_gives_the_same_trials(make_site: MakeSite, whole: Site) -> None:
    """One trial after the other, or as many at a time as there are."""
    site = make_site()
    site.run(at_once=1)
    for each in (site, whole):
        assert each.conductor.done
        assert each.conductor.to_come() == 0
    entries = whole.record()
    assert site.record() == entries
    assert len({text for entry in entries.values() if (text := entry[tags.SUGGESTED])}) == 14
    assert {Status.FINISHED, Status.STOPPED, Status.DIVERGED} <= set(whole.statuses())
    assert whole.statuses().count(Status.RUNNING) == 0


def test_a_killed_driver_is_continued_to_the_same_record(make_site: MakeSite, whole: Site) -> None:
    site, rng, num_kills = make_site(), random.Random(5), 0
    while not site.conductor.done:
        try:
            site.run(seed=num_kills, at_once=4, kill_after=rng.randrange(3, 16))
        except Killed:
            num_kills += 1
            site.open()
    assert num_kills > 2
    assert site.record() == whole.record()


@pytest.mark.slow
def test_variants_that_share_configurations_are_continued_too(
    make_site: MakeSite, tmp_path: Path
) -> None:
    """Suggested again from another variant, a configuration is recorded as it was at first."""
    text = STUDY.replace("{prior: gaussian}", "{prior: mog, components: {values: [2, 4]}}")
    text = text.replace("{distribution: log_uniform, min: 0.01, max: 1}", "{values: [0.1, 0.2]}")
    shared = load(tmp_path, text.replace("max_trials: 7", "max_trials: 16"))
    whole, site = make_site(shared), make_site(shared)
    whole.run()
    with pytest.raises(Killed):
        site.run(at_once=4, kill_after=40)
    site.open()
    site.run()
    assert site.record() == whole.record()


def test_a_larger_budget_adds_suggestions(make_site: MakeSite, whole: Site, tmp_path: Path) -> None:
    site = make_site(like=whole)
    before = site.record()
    site.study = load(tmp_path, STUDY.replace("max_trials: 7", "max_trials: 8"))
    site.open()
    assert site.conductor.to_come() == 2 * 1 * 2
    site.run()
    after = site.record()
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 2 + 4


def test_numbers_of_suggestions_that_an_edit_left_out_are_not_given_again(
    make_site: MakeSite, whole: Site, tmp_path: Path
) -> None:
    narrow = load(tmp_path, STUDY.replace("max: 1}", "max: 0.2}"))
    site = make_site(like=whole)
    before = {k: v[tags.SUGGESTED] for k, v in site.record().items() if v[tags.SUGGESTED]}
    site.study = narrow
    site.open()
    left_out = site.conductor.to_come()
    assert left_out > 0
    with pytest.raises(Killed):
        site.run(kill_after=2)
    site.open()
    site.run()
    after = {k: v[tags.SUGGESTED] for k, v in site.record().items() if v[tags.SUGGESTED]}
    assert {k: after[k] for k in before} == before
    numbers = [(e["group"], n) for e in map(json.loads, after.values()) for n in e["at"]]
    assert len(numbers) == len(set(numbers)) == len(before) + left_out // 2


def test_only_so_many_run_at_a_time(make_site: MakeSite) -> None:
    conductor = make_site().conductor
    conductor.offer()
    started = []
    while trial := conductor.next_trial():
        started.append(trial)
    assert len(started) == 2 * 3 * 2  # groups, num_parallel, seeds
    assert conductor.to_come() == 2 * 4 * 2
    assert sum("rings" in t.configuration.groups for t in conductor.trials.values()) == 6


def test_a_crashed_trial_ranks_last_and_is_tried_again(make_site: MakeSite) -> None:
    site = make_site()
    site.conductor.offer()
    first = site.conductor.next_trial()
    assert first is not None
    site.open()
    site.crashing = {first.name}
    site.run()
    assert site.statuses().count(Status.FAILED) == 1
    before = {k: v[tags.SUGGESTED] for k, v in site.record().items()}
    site.crashing = set()
    site.open()
    assert [trial.name for trial in site.conductor.pending()] == [first.name]
    site.run()
    assert site.conductor.done
    assert {k: v[tags.SUGGESTED] for k, v in site.record().items()} == before


def test_the_rest_of_the_program_knows_what_was_suggested(
    study: Study, make_site: MakeSite
) -> None:
    site = make_site()
    with pytest.raises(Killed):
        site.run(at_once=4, kill_after=25)
    expansion = read_expansion(site.client, study)
    made = {group: len(members) for group, members in expansion.members.items()}
    assert all(0 < n < 7 for n in made.values())
    assert expansion.to_suggest == {group: 7 - n for group, n in made.items()}
    status = read_status(site.client, study.name, active=True)
    rows = {row.group: row for row in status.groups if row.stage == "select"}
    assert sum(rows["rings"].counts.values()) == 7 * 2
    assert rows["rings"].counts["pending"] >= 2 * (7 - made["rings"])
    site.open()
    site.run()
    result = read_result(site.client, study)
    configurations = {c.id: c for c in result.expansion.configurations}
    assert len(configurations) == 14
    for group, chosen in result.chosen.items():
        assert chosen is not None
        assert abs(configurations[chosen].settings["beta_kl"] - 0.1) < 0.1, group
