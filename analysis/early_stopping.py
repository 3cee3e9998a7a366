"""How much training early termination saves, and how often it keeps the best configuration.

    python analysis/early_stopping.py
    python analysis/early_stopping.py STUDY.yaml --record NAME [--runs-dir runs]

Without a study, on simulated curves. With one, on curves that a study NAME has recorded of all
trials of STUDY.yaml, each trained to its end; STUDY.yaml says which ladder to judge.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from introsearch.papers.hindsight import Hindsight, hindsight, simulated_curves

RUNGS = {"6,000 and 18,000": (6_000, 18_000), "12,000": (12_000,)}
# Of one value of hist_kl_paper on 8gaussians between 6,000 and 9,000 iterations, in logarithms.
NOISE = {"no noise": 0.0, "averaged weights": 0.1, "raw weights": 0.35}
LENGTH = 30_000
REPEATS = 200
ORDERS = 200


def main() -> None:
    """One or the other."""
    parser = argparse.ArgumentParser(description="Judge early termination in hindsight.")
    parser.add_argument("study", nargs="?", type=Path, help="a study file")
    parser.add_argument("--record", help="the study that has recorded all curves")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    options = parser.parse_args()
    if options.study is None:
        simulations()
    elif options.record is None:
        parser.error("which study has recorded the curves? --record NAME")
    else:
        recorded(options.study, options.record, options.runs_dir)


def simulations() -> None:
    """Ladders of one group of random configurations."""
    for trials in (18, 210):
        for where, rungs in RUNGS.items():
            for kind, noise in NOISE.items():
                rng = random.Random(0)
                found = []
                for _ in range(REPEATS):
                    curves = simulated_curves(trials, (*rungs, LENGTH), noise=noise, rng=rng)
                    final = {name: curve[LENGTH] for name, curve in curves.items()}
                    found.append(
                        hindsight(curves, final, [*curves], rungs=rungs, eta=3, length=LENGTH)
                    )
                say(f"{trials} trials, rungs {where}, {kind}", found)


def recorded(file: Path, name: str, runs_dir: Path) -> None:
    """The study's own ladder, over its trials in many orders."""
    from introsearch.record.address import default_uri
    from introsearch.record.runs import find_experiment, read_seed_runs, read_values
    from introsearch.record.store import open_store
    from introsearch.study.file.loader import load_study
    from introsearch.study.search.expand import expand, ladder_order
    from introsearch.study.stopping.schedule import rungs_of

    study = load_study(file)
    expansion, early, metric = expand(study), study.early_terminate, study.metric.name
    if early is None:
        raise SystemExit(f"{file} has no early_terminate")
    client = open_store(default_uri(runs_dir))
    experiment_id = find_experiment(client, name)
    runs = {
        r.entry.name: r for r in read_seed_runs(client, experiment_id, attributes=(), metrics=())
    }

    def history(trial: str, key: str) -> dict[int, float]:
        return read_values(client, runs[trial], name=key)

    worst = math.inf if study.metric.goal == "minimize" else -math.inf  # diverged
    compared_by = [metric] + ([f"averaged/{metric}"] if early.averaged else [])
    for group in expansion.groups:
        order = list(ladder_order(study, expansion, group))
        lengths = {c.settings["iterations"] for c in expansion.members[group]}
        rungs, *others = {rungs_of(study, c) for c in expansion.members[group]}
        if others:
            raise SystemExit(f"{group}: the epochs of its configurations differ in length")
        final = {n: history(n, metric).get(max(lengths), worst) for n in order}
        for key in compared_by:
            curves = {n: history(n, key) for n in order}
            found = []
            rng = random.Random(0)
            for _ in range(ORDERS):
                rng.shuffle(order)
                found.append(
                    hindsight(
                        curves,
                        final,
                        order,
                        rungs=rungs,
                        eta=early.eta,
                        length=max(lengths),
                        goal=study.metric.goal,
                    )
                )
            say(f"{group}: {len(order)} trials, rungs {rungs}, by {key}", found)


def say(what: str, found: Sequence[Hindsight]) -> None:
    """One line."""
    saved = 1 - statistics.mean(h.share for h in found)
    kept = statistics.mean(h.kept_best for h in found)
    regret = statistics.mean(h.regret for h in found)
    worst = max(h.regret for h in found)
    print(
        f"{what}: saves {100 * saved:.0f} %, keeps the best in {100 * kept:.0f} %, its winner is "
        f"{100 * regret:.1f} % worse on average, {100 * worst:.0f} % at most"
    )


if __name__ == "__main__":
    main()
