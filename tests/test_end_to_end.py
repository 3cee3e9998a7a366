"""A whole tiny study through the command line: to the end, interrupted, killed, grown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from introsearch.record import tags
from introsearch.record.runs import find_experiment, runs_of
from introsearch.record.store import open_store
from introsearch.statuses import Status
from introsearch.trial.evaluation import is_value
from tests.conftest import close

STUDY = """\
name: tiny
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1, 2]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2, 0.5]}
  iterations: 60
  warmup_iterations: 10
  handover_iterations: 5
  lr_milestones: []
  batch_size: 16
  hidden_units: 16
  num_draws: 5
variants:
  sg: {prior: gaussian}
  ip: {prior: mog, components: 2, intro_prior: true}
early_terminate: {type: asha, min_iter: 20, max_iter: 60, eta: 2}
evaluate_every: 10
"""
TIMEOUT_S = 200
INLINE = ("--cluster", "inline")
pytestmark = pytest.mark.slow


class Study:
    """A study file, its runs folder, and processes that run it, each in a session of its own."""

    timeout_s = TIMEOUT_S

    def __init__(self, folder: Path, database: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.file = folder / "tiny.yaml"
        self.file.write_text(STUDY)
        self.runs.mkdir()
        shutil.copy(database, self.runs)
        self.log = folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "introsearch", "run", self.file.name, *options],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(self.timeout_s)

    def run(self, *options: str) -> None:
        self.start(*options)
        assert self.wait() == 0, self.log.read_text()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until something is recorded; the study must not have ended before."""
        assert self.process is not None
        end = time.monotonic() + self.timeout_s
        while not condition():
            assert self.process.poll() is None, "too fast: " + self.log.read_text()
            assert time.monotonic() < end, "too slow: " + self.log.read_text()
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill_one(self, sign: str) -> None:
        """The first process with this in its command line, without warning."""
        assert self.process is not None
        found = [p for p, line in session_processes(self.process.pid) if sign in line]
        os.kill(found[0], signal.SIGKILL)

    def kill_session(self) -> None:
        """Also what outlives a killed driver: Ray's agents take their time."""
        if self.process is None:
            return
        for process, _ in session_processes(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def checkpoints(self) -> list[Path]:
        return list(self.runs.glob("tiny/checkpoints/*.pt"))

    def figures(self) -> list[Path]:
        return list(self.runs.glob("tiny/figures/*/*.png"))

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def table(self) -> bytes:
        return (self.runs / "tiny" / "table.csv").read_bytes()

    def record(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is recorded of each trial, without times."""
        client = open_store(f"sqlite:///{self.runs / 'mlflow.db'}")
        entries: dict[tuple[str, str], dict[str, Any]] = {}
        for run in runs_of(client, find_experiment(client, "tiny"), level="seed"):
            texts, run_id = run.data.tags, run.info.run_id
            key = (texts[tags.CONFIG_ID], texts[tags.SEED])
            assert key not in entries, f"two runs of {key}"
            words = (tags.STATUS, tags.DECISION, tags.RUNGS, tags.REASON)
            entries[key] = {
                "run_id": run_id,
                "start": run.info.start_time,
                "mlflow": run.info.status,
                "words": {word: texts.get(word) for word in words},
                "artifacts": [artifact.path for artifact in client.list_artifacts(run_id)],
                "points": {
                    name: [(p.step, p.value) for p in client.get_metric_history(run_id, name)]
                    for name in run.data.metrics
                    if is_value(name)
                },
            }
        close(client)
        return entries

    def comparable(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            key: {k: v for k, v in entry.items() if k not in ("run_id", "start")}
            for key, entry in self.record().items()
        }


def session_processes(session: int) -> list[tuple[int, str]]:
    """Process ids and command lines of a session's processes that are no zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                line = (folder / "cmdline").read_text().replace("\0", " ")
                found.append((int(folder.name), line))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Study]:
    """A study that was left alone, in one process."""
    study = Study(tmp_path_factory.mktemp("whole") / "study", empty_database)
    try:
        study.run(*INLINE)
        yield study
    finally:
        study.kill_session()


@pytest.fixture
def study(tmp_path: Path, empty_database: Path) -> Iterator[Study]:
    study = Study(tmp_path / "study", empty_database)
    yield study
    study.kill_session()


def test_a_study_runs_to_its_end(whole: Study) -> None:
    entries = whole.record()
    stages = [entry["words"][tags.STATUS] for entry in entries.values()]
    assert stages.count(Status.FINISHED) >= 4
    assert Status.STOPPED in stages
    assert len(entries) == 6 + 4
    for name in ("table.md", "table.csv", "table.tex"):
        assert (whole.runs / "tiny" / name).read_text()
    check_quiet(whole)


def test_running_it_again_starts_nothing(whole: Study) -> None:
    table, entries = whole.table, whole.record()
    start = time.monotonic()
    whole.run()  # of Ray, which is not even started
    assert time.monotonic() - start < 30
    assert whole.table == table
    assert whole.record() == entries


def test_mishaps_leave_no_trace(whole: Study, study: Study) -> None:
    """A worker is killed, the driver interrupted, a part of the next one's Ray killed, and the
    next driver. In the end the record is that of a study in one process.
    """
    study.start()
    study.wait_for(lambda: len(study.checkpoints()) >= 1)
    study.kill_one("Trainable")
    study.wait_for(lambda: len(study.figures()) >= 2)
    start = time.monotonic()
    study.send(signal.SIGTERM)
    assert study.wait() == 130, study.log.read_text()
    assert time.monotonic() - start < 20
    assert "The same command continues" in study.log.read_text()
    check_interrupted(study)

    study.start()  # Ray itself would wait for ever for a part of it that has died
    progress(study)
    study.kill_one("/raylet ")
    assert study.wait() == 1, study.log.read_text()
    assert "error: Ray's raylet died\n" in study.log.read_text()
    check_interrupted(study)
    study.kill_session()

    study.start()
    progress(study)
    study.send(signal.SIGKILL)
    assert study.wait() == -signal.SIGKILL
    study.kill_session()

    study.run()
    assert study.table == whole.table
    assert study.comparable() == whole.comparable()
    check_quiet(study)


def check_quiet(study: Study) -> None:
    """It has said little, and nothing of it runs any more."""
    text = study.log.read_text()
    assert "Traceback" not in text
    assert len(text.splitlines()) < 60, text
    assert study.process is not None
    assert session_processes(study.process.pid) == []


def progress(study: Study) -> None:
    num_figures = len(study.figures())
    study.wait_for(lambda: len(study.figures()) > num_figures)


def check_interrupted(study: Study) -> None:
    assert "Traceback" not in study.log.read_text()
    entries = study.record().values()
    statuses = {entry["words"][tags.STATUS] for entry in entries}
    assert Status.INTERRUPTED in statuses
    assert statuses.isdisjoint({Status.RUNNING, Status.FAILED}), entries
    assert "RUNNING" not in {entry["mlflow"] for entry in entries}


def test_tpe_goes_on_after_a_kill_as_if_nothing_had_been(
    tmp_path: Path, empty_database: Path, study: Study
) -> None:
    """The same suggestions, trials and table as without the kill, where Ray trains several trials
    at a time. The selecting seed is reported too, as in the published protocol: not trained again,
    and with all metrics.
    """
    shared = "{select: [0], report: [0, 1], reuse_seeds: true}"
    text = STUDY.replace("method: grid", "method: tpe").replace(
        "{select: [0], report: [1, 2]}", shared
    )
    text = text.replace(
        "{values: [0.1, 0.2, 0.5]}", "{distribution: log_uniform, min: 0.1, max: 1}"
    )
    text = text.replace("groups: [variant]", "groups: [dataset]").replace(
        "rings", "{values: [rings]}"
    )
    text += "tpe: {num_startup: 2, num_parallel: 3}\nbudget: {max_trials: 6}\n"
    alone = Study(tmp_path / "alone", empty_database)
    try:
        alone.file.write_text(text)
        study.file.write_text(text)
        alone.start()
        study.start(*INLINE)
        study.wait_for(lambda: len(study.checkpoints()) >= 3)
        study.send(signal.SIGKILL)
        assert study.wait() == -signal.SIGKILL
        study.kill_session()
        study.run(*INLINE)
        assert alone.wait() == 0, alone.log.read_text()
    finally:
        alone.kill_session()
    assert study.table == alone.table
    assert study.comparable() == alone.comparable()
    assert len(study.record()) == 6 + 1
    rows = [line.split(b",") for line in study.table.splitlines()[1:]]
    assert {row[2] for row in rows} >= {b"hist_kl_paper", b"gnelbo_e7"}
    assert {tuple(row[5:9]) for row in rows} == {(b"2", b"0", b"0", b"0")}  # n, and nothing amiss


def test_a_trial_without_enough_memory_says_so(study: Study) -> None:
    text = STUDY.replace("dataset: rings", "dataset: {values: [rings, hungry:Hungry]}")
    text = text.replace("[0.1, 0.2, 0.5]", "[0.1]").replace("[1, 2]", "[1]")
    text = text.replace("groups: [variant]", "groups: [dataset]")
    text = text.partition("  ip:")[0] + "budget: {max_restarts: 0}\n"
    study.file.write_text(text)
    (study.folder / "hungry.py").write_text(
        "from introsearch.data.toy import ToyData\n\n"
        "class Hungry(ToyData):\n"
        "    half_width = 2.0\n\n"
        "    def sample(self, n, generator):\n"
        "        bytearray(1 << 60)\n"
    )
    study.start(*INLINE)
    assert study.wait() == 1, study.log.read_text()
    reasons = [entry["words"][tags.REASON] for entry in study.record().values()]
    assert [r.startswith("out of memory") for r in reasons].count(True) == 1, reasons
    (reason,) = filter(None, reasons)
    assert f" failed: {reason}\n" in study.log.read_text()
    assert f"No trial finished in hungry:Hungry: 1 failed ({reason}).\n" in study.log.read_text()
    assert "max_concurrent_trials" in reason
    assert [e["words"][tags.STATUS] for e in study.record().values()].count("finished") == 2


def test_a_grown_study_runs_only_what_is_new(whole: Study) -> None:
    """Last, since it changes the study that the other tests compare with."""
    before = whole.record()
    text = STUDY.replace("report: [1, 2]", "report: [1, 2, 3]")
    whole.file.write_text(text.replace("[0.1, 0.2, 0.5]", "[0.1, 0.2, 0.5, 0.7]"))
    whole.run(*INLINE)
    after = whole.record()
    assert {key: after[key] for key in before} == before
    new = set(after) - set(before)
    assert {seed for _, seed in new} >= {"0", "3"}
    assert len([key for key in new if key[1] == "0"]) == 2
    before = after

    whole.file.write_text(text)  # without what was added
    table = whole.table
    whole.start(*INLINE)
    assert whole.wait() == 2
    assert "parameters.beta_kl: [0.1, 0.2, 0.5, 0.7] -> [0.1, 0.2, 0.5]" in whole.log.read_text()
    assert "Traceback" not in whole.log.read_text()
    assert (whole.table, whole.record()) == (table, before)
    whole.start("--accept-edit", *INLINE)
    assert whole.wait() == 0, whole.log.read_text()
    after = whole.record()
    assert {key: after[key] for key in before} == before
