"""Kills a small study at random moments, again and again, and compares all that it recorded.

    python -m tests.fault_injection --kills 20 --seed 0

What is killed, without warning: the driver, a worker that trains, or the driver with all of its
Ray. When a study has ended all the same, its record must equal that of one left alone; then
a fresh one begins, until the kills are used up.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from introsearch.results import record
from introsearch.results.runs import find_experiment, runs_of
from introsearch.tracking.store import open_store
from tests.conftest import close
from tests.test_end_to_end import Study, session_processes

TIMEOUT_S = 600
KINDS = ("driver", "worker", "session")


def whole_record(study: Study) -> dict[tuple[str, ...], dict[str, Any]]:
    """By level, configuration and seed; without times, random ids and the study's folder."""
    client = open_store(f"sqlite:///{study.runs / 'mlflow.db'}")
    entries: dict[tuple[str, ...], dict[str, Any]] = {}
    names: dict[str, str] = {}
    experiment = find_experiment(client, "tiny")
    for level in ("study", "configuration", "seed"):
        for run in runs_of(client, experiment, level=level):
            tags, run_id = run.data.tags, run.info.run_id
            key = (level, tags.get(record.CONFIG_ID, ""), tags.get(record.SEED, ""))
            assert key not in entries, f"two runs of {key}"
            names[run_id] = " ".join(key)
            paths = [artifact.path for artifact in client.list_artifacts(run_id)]
            entries[key] = {
                "parent": names.get(tags.get("mlflow.parentRunId", "")),
                "status": run.info.status,
                "tags": {
                    name: value.replace(str(study.folder.resolve()), "")
                    for name, value in tags.items()
                    if name != "mlflow.parentRunId"
                },
                "parameters": run.data.params,
                "artifacts": {p: _digest(client.download_artifacts(run_id, p)) for p in paths},
                "points": {
                    name: [(p.step, p.value) for p in client.get_metric_history(run_id, name)]
                    for name in run.data.metrics
                    if not name.startswith(record.SECONDS)
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


def kill(study: Study, kind: str) -> bool:
    """False if there is nothing of this kind to kill."""
    assert study.process is not None
    if kind == "session":
        study.kill_session()
    elif kind == "driver":
        study.send(signal.SIGKILL)
        study.process.wait()
        study.kill_session()  # what is left of Ray ends by itself, but later
    else:
        workers = [p for p, line in session_processes(study.process.pid) if "Trainable" in line]
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(workers[0], signal.SIGKILL)
    return True


def torment(
    study: Study, rng: random.Random, *, kills: int, seconds: float, say: Callable[[str], None]
) -> Counter[str]:
    """Kill and continue a study until it has ended, or the kills are used up and it ends.

    Args:
        study: a fresh one.
        rng: chooses moments and victims.
        kills: at most so many.
        seconds: a moment is at most so long after the last one.
        say: told of each kill.

    Returns:
        How many of each kind there were.
    """
    done: Counter[str] = Counter()
    study.start()
    assert study.process is not None
    while done.total() < kills:
        moment, kind = rng.uniform(0, seconds), rng.choice(KINDS)
        if _ends_within(study, moment):
            break
        if kill(study, kind):
            done[kind] += 1
            say(f"killed the {kind} after {moment:.1f} s")
        if kind != "worker":
            study.start()
    _finish(study)
    return done


def _finish(study: Study) -> None:
    assert study.process is not None
    assert study.process.wait(TIMEOUT_S) == 0, study.log.read_text()


def _ends_within(study: Study, seconds: float) -> bool:
    assert study.process is not None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if study.process.poll() is not None:
            return True
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
    start = time.monotonic()
    whole = Study(folder / "whole", database)
    whole.start()
    _finish(whole)
    seconds = time.monotonic() - start
    expected, number = whole_record(whole), 0
    print(f"a study that is left alone takes {seconds:.0f} s and makes {len(expected)} runs")
    while done.total() < kills:
        number += 1
        study = Study(folder / f"study{number}", database)
        try:
            done += torment(
                study, rng, kills=kills - done.total(), seconds=seconds, say=lambda t: print(" ", t)
            )
            wrong = differences(expected, whole_record(study))
            wrong += [] if study.table == whole.table else ["the table"]
        finally:
            study.kill_session()
        print(f"study {number}: {done.total()} kills so far, {len(wrong)} differences", flush=True)
        if wrong:
            print("\n".join(wrong[:20]), study.log.read_text(), sep="\n")
            return 1
    print(f"{done.total()} kills ({dict(done)}), {number} studies, all recorded as if none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
