"""One trial and its files: killed anywhere, in a process used before, diverging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from introsearch.errors import TrialDiverged
from introsearch.files import checkpoint_path, figure_path, log_path
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.statuses import Status
from introsearch.trial.evaluation import TIMES, Evaluation
from introsearch.trial.kept import KeptTrial
from introsearch.trial.order import TrialOrder
from introsearch.trial.trainable import TrialTrainable

pytestmark = pytest.mark.usefixtures("small_grid")

TINY = {
    "dataset": "rings",
    "prior": "mog",
    "components": 3,
    "intro_prior": True,
    "iterations": 25,
    "warmup_iterations": 8,
    "handover_iterations": 3,
    "hidden_units": 8,
    "batch_size": 8,
    "num_draws": 3,
    "lr_milestones": [15],
}
STEPS = 3  # evaluations at 10, 20 and 25


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def order(folder: Path, *, seed: int = 0, **changes: Any) -> TrialOrder:
    more = {k: changes.pop(k) for k in list(changes) if k in TrialOrder.__annotations__}
    settings = settings_to_dict(resolve_settings("sintrovae", TINY | changes))
    values: dict[str, Any] = {
        "name": f"trial-s{seed}",
        "title": "rings / ip, seed 0",
        "trainer": "sintrovae",
        "settings": settings,
        "seed": seed,
        "costly_metrics": False,
        "evaluate_every": 10,
        "figures_at": (),
        "folder": str(folder),
        "cpus": 1.0,
        "gpus": 0.0,
    }
    return TrialOrder(**values | more)


def steps(kept: KeptTrial, number: int = 10) -> list[Evaluation]:
    """At most `number` evaluations."""
    evaluations: list[Evaluation] = []
    while len(evaluations) < number:
        evaluations.append(kept.step())
        if evaluations[-1].status != Status.RUNNING:
            break
    return evaluations


def values(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    """Without times and the like, which differ from run to run."""
    times = ("timestamp_ms", "system", *TIMES)
    return [{k: v for k, v in asdict(e).items() if k not in times} for e in evaluations]


def test_a_trial_to_its_end(tmp_path: Path) -> None:
    evaluations = steps(KeptTrial(order(tmp_path, figures_at=(10,))))
    assert [e.iteration for e in evaluations] == [10, 20, 25]
    assert [e.status for e in evaluations] == [Status.RUNNING, Status.RUNNING, Status.FINISHED]
    assert all("hist_kl_paper" in e.metrics and "loss/kl" in e.metrics for e in evaluations)
    assert "gnelbo_e7" not in evaluations[-1].metrics
    times = [e.timestamp_ms for e in evaluations]
    assert times == sorted(times)
    seconds = [e.seconds for e in evaluations]
    assert seconds == sorted(seconds)
    for iteration in (10, 25):
        path = figure_path(tmp_path, "trial-s0", "model", iteration=iteration)
        assert path.read_bytes().startswith(b"\x89PNG")
    assert not figure_path(tmp_path, "trial-s0", "model", iteration=20).exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("after", range(STEPS))
def test_killed_and_made_again_it_reports_the_same(tmp_path: Path, after: int) -> None:
    whole = steps(KeptTrial(order(tmp_path / "whole")))
    folder = tmp_path / "killed"
    taken = steps(KeptTrial(order(folder)), after) if after else []
    again = steps(KeptTrial(order(folder)))
    assert values(again) == values(whole)
    assert again[:after] == taken, "the same report, its time included"
    assert steps(KeptTrial(order(folder))) == again, "also when it had ended"


def test_killed_while_writing_it_goes_on_from_the_checkpoint_before(tmp_path: Path) -> None:
    whole = steps(KeptTrial(order(tmp_path / "whole")))
    steps(KeptTrial(order(tmp_path)), 1)
    path = checkpoint_path(tmp_path, "trial-s0")
    path.with_name(path.name + ".part").write_bytes(path.read_bytes()[:100])
    assert values(steps(KeptTrial(order(tmp_path)))) == values(whole)


def test_a_process_used_before_leaks_nothing(tmp_path: Path) -> None:
    fresh = steps(KeptTrial(order(tmp_path / "fresh", seed=3)))
    other = order(tmp_path / "other", prior="gaussian", intro_prior=False, components=None, seed=9)
    for number in (1, 10):
        folder = tmp_path / f"reused_{number}"
        steps(KeptTrial(other), number)
        assert values(steps(KeptTrial(order(folder, seed=3)))) == values(fresh)


def test_a_worker_of_ray_passes_it_on(tmp_path: Path) -> None:
    orders = [order(tmp_path / "worker", seed=seed) for seed in (9, 3)]
    worker = TrialTrainable({"order": orders[0].to_dict()})
    worker.step()
    assert worker.reset_config({"order": orders[1].to_dict()})
    results = [worker.step() for _ in range(STEPS)]
    assert [result["done"] for result in results] == [False, False, True]
    reported = [Evaluation.from_json(result["evaluation"]) for result in results]
    assert values(reported) == values(steps(KeptTrial(order(tmp_path / "alone", seed=3))))


def test_the_threads_of_the_process_are_those_of_the_order(tmp_path: Path) -> None:
    for cpus, threads in ((3.0, 3), (0.5, 1), (2.9, 2)):
        KeptTrial(order(tmp_path, cpus=cpus))
        assert torch.get_num_threads() == threads


def test_a_diverging_trial_says_so_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptTrial(order(tmp_path))
    (first,) = steps(kept, 1)

    def diverge(_: int) -> dict[str, float]:
        raise TrialDiverged("loss term 'kl'", iteration=17)

    monkeypatch.setattr(kept.run.trainer, "advance", diverge)
    (last,) = steps(kept)
    assert (last.iteration, last.status, last.metrics) == (17, Status.DIVERGED, {})
    assert "'kl' is not finite at iteration 17" in last.reason
    assert steps(KeptTrial(order(tmp_path))) == [first, last], "and does not try again"


def test_real_divergence(tmp_path: Path) -> None:
    evaluations = steps(KeptTrial(order(tmp_path, learning_rate=1e30)))
    assert evaluations[-1].status == Status.DIVERGED
    assert 0 < evaluations[-1].iteration <= 25
    assert "not finite" in evaluations[-1].reason


def test_an_infinite_metric_is_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptTrial(order(tmp_path))
    monkeypatch.setattr(kept.run.trainer, "evaluate", lambda names: {"hist_kl": float("inf")})
    (evaluation,) = steps(kept)
    assert evaluation.status == Status.DIVERGED
    assert evaluation.iteration == 10
    assert "hist_kl" in evaluation.reason


def test_another_evaluation_interval_meets_its_multiples_again(tmp_path: Path) -> None:
    """The interval is no part of a trial's identity: the file may change between two runs."""
    steps(KeptTrial(order(tmp_path)), 1)
    evaluations = steps(KeptTrial(order(tmp_path, evaluate_every=4)))
    assert [e.iteration for e in evaluations] == [10, 12, 16, 20, 24, 25]


def test_evaluating_more_often_changes_no_result(tmp_path: Path) -> None:
    often = steps(KeptTrial(order(tmp_path / "often", evaluate_every=5)))
    seldom = steps(KeptTrial(order(tmp_path / "seldom", evaluate_every=25)))
    assert often[-1].metrics["hist_kl_paper"] == seldom[-1].metrics["hist_kl_paper"]


def test_a_damaged_checkpoint_is_no_silent_new_start(tmp_path: Path) -> None:
    steps(KeptTrial(order(tmp_path)), 1)
    checkpoint_path(tmp_path, "trial-s0").write_bytes(b"damaged")
    with pytest.raises(Exception, match=r"."):
        KeptTrial(order(tmp_path))


def test_trials_share_a_folder(tmp_path: Path) -> None:
    first, second = (KeptTrial(order(tmp_path, seed=s)) for s in (0, 1))
    for _ in range(STEPS):
        first.step(), second.step()
    alone = steps(KeptTrial(order(tmp_path / "alone", seed=1)))
    assert values(second.run.evaluations) == values(alone)


@pytest.mark.slow
def test_costly_metrics_are_measured_once_at_the_end(tmp_path: Path) -> None:
    evaluations = steps(KeptTrial(order(tmp_path, costly_metrics=True)))
    assert ["gnelbo_e7" in e.metrics for e in evaluations] == [False, False, True]


def test_the_log_tells_what_happened(tmp_path: Path) -> None:
    steps(KeptTrial(order(tmp_path)), 2)
    evaluations = steps(KeptTrial(order(tmp_path)))  # the first two are reported again
    assert len(evaluations) == STEPS
    lines = log_path(tmp_path, "trial-s0").read_text().splitlines()
    head, begun, ten, twenty, again, goes_on, last = (line.split(maxsplit=2)[2] for line in lines)
    assert head == again
    assert head.startswith("trial-s0 (rings / ip, seed 0): process ")
    assert (begun, goes_on) == ("from iteration 0 on the cpu", "from iteration 20 on the cpu")
    assert ten.startswith("iteration 10: hist_kl_paper ")
    assert twenty.startswith("iteration 20: hist_kl_paper ")
    assert last.startswith("iteration 25: finished, hist_kl_paper ")
    assert "/" not in last  # neither losses nor units


def test_what_the_trial_takes_is_measured(tmp_path: Path) -> None:
    steps(KeptTrial(order(tmp_path)), 1)
    found = [e.system for e in steps(KeptTrial(order(tmp_path)))]
    assert all(set(of) == {"resident_bytes", "cpu_seconds"} for of in found)  # there is no GPU
    assert all(1e8 < of["resident_bytes"] < 1e11 for of in found)
    seconds = [of["cpu_seconds"] for of in found]
    assert seconds == sorted(set(seconds))  # the second process goes on from the first one's
    assert seconds[0] > 0
