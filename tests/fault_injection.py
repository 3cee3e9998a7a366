"""Kills a small study at random moments, again and again, and compares all that it recorded.

    python -m tests.fault_injection --kills 20 --seed 0

What is killed, without warning: the driver, a worker that trains, a part of Ray that all depends
on, or the driver with all of its Ray. Moments are drawn by how much is recorded, not by the clock,
so that they are spread over the whole study however busy the machine is. When a study has ended all
the same, its record must equal that of one left alone; then a fresh one begins, until the kills are
used up.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from introsearch.record import tags
from introsearch.record.runs import find_experiment, runs_of
from introsearch.record.store import open_store
from introsearch.registry import is_timing
from introsearch.trial.evaluation import is_value
from tests.conftest import close
from tests.test_end_to_end import Study

TIMEOUT_S = 600
KINDS = ("driver", "worker", "session", "raylet", "gcs_server")
KILLS_PER_STUDY = 4
DELAY_S = 3.0  # from the drawn moment, at most: also between two writes, and while Ray starts


class PatientStudy(Study):
    """On a machine that does other things too."""

    timeout_s = TIMEOUT_S


def whole_record(study: Study) -> dict[tuple[str, ...], dict[str, Any]]:
    """By level, configuration and seed; without times, random ids and the study's folder."""
    client = open_store(f"sqlite:///{study.runs / 'mlflow.db'}")
    entries: dict[tuple[str, ...], dict[str, Any]] = {}
    names: dict[str, str] = {}
    experiment = find_experiment(client, "tiny")
    for level in ("study", "configuration", "seed"):
        for run in runs_of(client, experiment, level=level):
            texts, run_id = run.data.tags, run.info.run_id
            key = (level, texts.get(tags.CONFIG_ID, ""), texts.get(tags.SEED, ""))
            assert key not in entries, f"two runs of {key}"
            names[run_id] = " ".join(key)
            paths = [artifact.path for artifact in client.list_artifacts(run_id)]
            entries[key] = {
                "parent": names.get(texts.get("mlflow.parentRunId", "")),
                "status": run.info.status,
                "tags": {
                    name: value.replace(str(study.folder.resolve()), "")
                    for name, value in texts.items()
                    if name != "mlflow.parentRunId"
                },
                "parameters": run.data.params,
                "artifacts": {p: _digest(client.download_artifacts(run_id, p)) for p in paths},
                "points": {
                    name: [(p.step, p.value) for p in client.get_metric_history(run_id, name)]
                    for name in run.data.metrics
                    if is_value(name.partition(".")[0]) and not is_timing(name.partition(".")[0])
                },
            }
    close(client)
    return entries


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def differences(expected: Any, found: Any, *, where: str = "") -> list[str]:
    """Where two records are not the same."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for key in sorted({*expected, *found}, key=str)
            for line in differences(expected.get(key), found.get(key), where=f"{where} {key}")
        ]
    return [] if expected == found else [f"{where}: {found!r}, not {expected!r}"]


def num_points(study: Study) -> int:
    """How many values of metrics are recorded by now; never less than before."""
    path = study.runs / "mlflow.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=TIMEOUT_S)) as database:
        return int(database.execute("select count(*) from metrics").fetchone()[0])


def kill(study: Study, kind: str) -> bool:
    """False if there is nothing of this kind to kill at the moment."""
    assert study.process is not None
    if kind == "session":
        study.kill_session()
        return True
    if kind == "driver":
        study.send(signal.SIGKILL)
        study.process.wait()
        study.kill_session()  # what is left of Ray ends by itself, but later
        return True
    try:
        study.kill_one("Trainable" if kind == "worker" else f"/{kind} ")
    except (IndexError, ProcessLookupError):
        return False
    return True


def torment(
    study: Study, rng: random.Random, *, kills: int, points: int, say: Callable[[str], None]
) -> Counter[str]:
    """Kill and continue a study, until it ends after the last kill.

    Args:
        study: a fresh one.
        rng: chooses moments and victims.
        kills: how many; fewer happen if the study ends between a moment and its kill.
        points: how many values such a study records in all.
        say: told of each kill.

    Returns:
        How many of each kind there were.
    """
    done: Counter[str] = Counter()
    study.start()
    for moment in sorted(rng.randrange(points) for _ in range(kills)):
        delay, kind = rng.uniform(0, DELAY_S), rng.choice(KINDS)
        if _ends_before(study, moment) or _ends_within(study, delay):
            break
        if not kill(study, kind):  # between two trials, or before Ray has started
            kind = "driver"
            kill(study, kind)
        done[kind] += 1
        say(f"killed the {kind} {delay:.1f} s after {moment} of {points} values")
        if kind in ("raylet", "gcs_server"):
            study.wait()  # it ends by itself
            study.kill_session()
        if kind != "worker":
            study.start()
    assert study.wait() == 0, study.log.read_text()
    return done


def _ends_before(study: Study, points: int) -> bool:
    """Whether the study ends before so much is recorded."""
    assert study.process is not None
    while study.process.poll() is None and num_points(study) < points:
        time.sleep(0.05)
    return study.process.poll() is not None


def _ends_within(study: Study, seconds: float) -> bool:
    assert study.process is not None
    end = time.monotonic() + seconds
    while study.process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return study.process.poll() is not None


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill studies at random; compare their records.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "mlflow.db"
        close(open_store(f"sqlite:///{database}"))
        return inject(Path(folder), database, kills=options.kills, seed=options.seed)


def inject(folder: Path, database: Path, *, kills: int, seed: int) -> int:
    """Exit code 1 if any record differs from that of a study that was left alone."""
    rng, done = random.Random(seed), Counter[str]()
    whole = PatientStudy(folder / "whole", database)
    whole.run()
    expected, points, number = whole_record(whole), num_points(whole), 0
    _say(f"a study that is left alone makes {len(expected)} runs with {points} values")
    while done.total() < kills:
        number += 1
        study = PatientStudy(folder / f"study{number}", database)
        most = min(KILLS_PER_STUDY, kills - done.total())
        try:
            done += torment(study, rng, kills=most, points=points, say=_say)
            wrong = differences(expected, whole_record(study))
            wrong += [] if study.table == whole.table else ["the table"]
        finally:
            study.kill_session()
        _say(f"study {number}: {done.total()} kills so far, {len(wrong)} differences")
        if wrong:
            print("\n".join(wrong[:20]), study.log.read_text(), sep="\n")
            return 1
    _say(f"{done.total()} kills ({dict(done)}), {number} studies, all recorded as if none")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
