"""What a report of thousands of recorded runs takes.

    python -m tests.report_scale --runs 10000 [--profile FILE]

Records invented outcomes of every trial of a study as large as the paper's grid, straight into the
database, and prints the seconds that `introsearch report` takes with them.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlRun, SqlTag
from sqlalchemy import create_engine, func, insert, select

from introsearch.cli import main as introsearch
from introsearch.record import tags
from introsearch.record.recorder import open_recorder
from introsearch.record.store import open_store
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Trial
from introsearch.study.search.expand import expand, report_trials, select_trials
from introsearch.trial.evaluation import SECONDS

LOSSES = ("loss/reconstruction", "loss/kl", "loss/negative")
ROWS_PER_INSERT = 20_000
STUDY = """\
name: report-scale
trainer: sintrovae
metric: {{name: hist_kl_paper, goal: minimize}}
groups: [dataset, variant]
seeds: {{select: [0, 1], report: {report}}}
parameters:
  dataset: {{values: [8gaussians, 2spirals, checkerboard, rings]}}
  beta_rec: {{values: [0.05, 0.2, 0.3, 0.4, 0.8, 1.0]}}
  beta_kl: {{values: {beta_kl}}}
  beta_neg: {{times: beta_kl, values: [1, 2, 3, 4, 5]}}
  iterations: 30000
variants:
  sg: {{prior: gaussian}}
  mog: {{prior: mog}}
  ip: {{prior: mog, intro_prior: true}}
  mog_lc: {{prior: mog, learnable_contributions: true}}
  ip_lc: {{prior: mog, intro_prior: true, learnable_contributions: true}}
early_terminate: {{type: asha, min_iter: 6000, max_iter: 30000, eta: 3}}
evaluate_every: 1000
"""
PER_BETA_KL = 4 * 5 * 6 * 5 * 2  # datasets, variants, beta_rec, beta_neg and select seeds
REPORT_SEEDS = list(range(2, 22))
REPORTED = 4 * 5 * len(REPORT_SEEDS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a report takes.")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--profile", type=Path, help="where to write cProfile's statistics")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs_dir = Path(folder)
        runs = fill(runs_dir, runs=options.runs)
        print(f"{runs:,} runs recorded, {points_in(runs_dir):,} metric points", flush=True)
        measure(runs_dir, profile=options.profile)


def fill(runs_dir: Path, *, runs: int) -> int:
    """Record all trials of a study; returns how many."""
    count = max(2, (runs - REPORTED) // PER_BETA_KL)
    file = runs_dir / "study.yaml"
    beta_kl = [round(0.05 + 0.95 * i / count, 4) for i in range(count)]
    file.write_text(STUDY.format(beta_kl=beta_kl, report=REPORT_SEEDS))
    study = load_study(file)
    store = f"sqlite:///{runs_dir / 'mlflow.db'}"
    recorder = open_recorder(open_store(store), study, folder=runs_dir / study.name)
    expansion = expand(study)
    chosen = {group: members[0].id for group, members in expansion.members.items()}
    trials = [*select_trials(study, expansion), *report_trials(study, expansion, chosen=chosen)]
    recorder.start(trials[0])
    tables: dict[Any, list[dict[str, Any]]] = {
        SqlRun: [], SqlTag: [], SqlMetric: [], SqlLatestMetric: [],
    }  # fmt: skip
    with create_engine(store).connect() as database:
        model = _rows_of(database, recorder.trials[trials[0].name].run_id)
        chance = random.Random(0)
        for number, trial in enumerate(trials[1:]):
            level = chance.random() if trial.configuration.id not in chosen.values() else 0.0
            for table, rows in _invented(
                trial, number, model, level, (*study.metric_goals, *LOSSES)
            ):
                tables[table] += rows
        for table, rows in tables.items():
            for start in range(0, len(rows), ROWS_PER_INSERT):
                database.execute(insert(table), rows[start : start + ROWS_PER_INSERT])
        database.commit()
    recorder.end(trials[0], Status.FAILED, reason="an invented failure")
    recorder.end_study(Status.FINISHED)
    return len(trials)


def _rows_of(database: Any, run_id: str) -> dict[Any, list[dict[str, Any]]]:
    return {
        table: [
            dict(row)
            for row in database.execute(
                select(table.__table__).where(table.run_uuid == run_id)
            ).mappings()
        ]
        for table in (SqlRun, SqlTag)
    }


def _invented(
    trial: Trial,
    number: int,
    model: Mapping[Any, list[dict[str, Any]]],
    level: float,
    names: Sequence[str],
) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Rows of one run: its curve falls to a level of its own, and the worse ones stop early."""
    run_id = f"{number:032x}"
    is_stopped = trial.stage == "select" and level > 1 / 9
    end = 30_000 if not is_stopped else 18_000 if level < 1 / 3 else 6_000
    settings = trial.configuration.settings
    own = {
        tags.CONFIG_ID: trial.configuration.id,
        tags.SEED: str(trial.seed),
        tags.STAGE: trial.stage,
        tags.STATUS: Status.STOPPED if is_stopped else Status.FINISHED,
        tags.ITERATION: str(end),
        tags.SETTINGS: json.dumps(settings),
        tags.GROUPS: json.dumps(trial.configuration.groups),
    }
    run = model[SqlRun][0] | {"run_uuid": run_id, "end_time": 1_700_000_000_000 + 1_000 * number}
    yield SqlRun, [run]
    texts = {row["key"]: row["value"] for row in model[SqlTag]} | own
    yield SqlTag, [{"key": k, "value": v, "run_uuid": run_id} for k, v in texts.items()]
    points = [
        {
            "run_uuid": run_id,
            "key": key,
            "value": value,
            "timestamp": 1_700_000_000_000 + at,
            "step": at,
            "is_nan": False,
        }
        for key in (*names, SECONDS)
        for at in range(1_000, end + 1, 1_000)
        for value in [at / 100 if key == SECONDS else level + 5_000 / (at + number % 997)]
    ]
    yield SqlMetric, points
    yield SqlLatestMetric, [point for point in points if point["step"] == end]


def points_in(runs_dir: Path) -> int:
    """Rows of the history of all metrics."""
    with create_engine(f"sqlite:///{runs_dir / 'mlflow.db'}").connect() as database:
        return int(database.execute(select(func.count()).select_from(SqlMetric)).scalar_one())


def measure(runs_dir: Path, *, profile: Path | None) -> None:
    """Time the command, in this process."""
    profiler = cProfile.Profile()
    wall, cpu = time.perf_counter(), time.process_time()
    if profile:
        profiler.enable()
    code = introsearch(["report", "report-scale", "--runs-dir", str(runs_dir)])
    profiler.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if profile:
        profiler.dump_stats(profile)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"report (exit status {code}): {wall:.1f} s, {cpu:.1f} s of CPU; {memory:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
