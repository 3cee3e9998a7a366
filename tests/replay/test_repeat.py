"""A recorded trial is run again from its record alone, and every kind of difference is told."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Metric

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE, EXIT_SOME_FAILED
from introsearch.errors import ConfigError
from introsearch.record import tags
from introsearch.record.find import find_trial
from introsearch.record.recorder import open_recorder
from introsearch.record.runs import SeedRun
from introsearch.replay.repeat import Difference, Replay, replay
from introsearch.replay.text import replay_text
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand, select_trials
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.order import order_of
from introsearch.trial.run import TrialRun

pytestmark = pytest.mark.usefixtures("small_grid")

STUDY = """\
name: again
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
evaluate_every: 10
parameters:
  dataset: rings
  iterations: 25
  warmup_iterations: 8
  handover_iterations: 3
  hidden_units: 8
  batch_size: 8
  num_draws: 3
  lr_milestones: [15]
variants:
  ip: {prior: mog, components: 3, intro_prior: true}
  wild: {prior: gaussian, learning_rate: 1e30}
"""


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return load_study(path)


Recorded = Callable[..., SeedRun]


@pytest.fixture
def recorded(client: MlflowClient, study: Study, tmp_path: Path) -> Recorded:
    """Trains a trial of a variant and records it, up to a number of evaluations."""
    recorder = open_recorder(client, study, folder=tmp_path / "runs" / "again")

    def train(
        variant: str = "ip", *, evaluations: int = 10, status: Status | None = None
    ) -> SeedRun:
        trial = trial_of(study, variant)
        run = TrialRun(order_of(study, trial, resources=study.resources, folder=""))
        while len(run.evaluations) < evaluations:
            if run.step().status != Status.RUNNING:
                break
        recorder.start(trial)
        recorder.log(trial, run.evaluations, rungs=())
        last: Evaluation | None = run.evaluations[-1] if run.evaluations else None
        reason = last.reason if last else "RuntimeError: no luck"
        recorder.end(trial, status or (last.status if last else Status.FAILED), reason=reason)
        return find_trial(client, recorder.trials[trial.name].run_id)

    return train


def trial_of(study: Study, variant: str) -> Trial:
    trials = select_trials(study, expand(study))
    return next(t for t in trials if variant in t.configuration.variants)


def change(client: MlflowClient, run: SeedRun, name: str, factor: float, *, step: int) -> None:
    """Record another value than the one that was measured."""
    (point,) = [p for p in client.get_metric_history(run.run_id, name) if p.step == step]
    later = Metric(name, point.value * factor, point.timestamp + 1, step)
    client.log_batch(run.run_id, metrics=[later])


def digest(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_finished_trial_matches_exactly(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded()
    told: list[tuple[int, int]] = []
    result = replay(client, run, notify=lambda done, last: told.append((done, last)))
    assert result.exact, result
    assert (result.status, result.iteration, result.num_evaluations) == ("finished", 25, 3)
    assert result.num_values > 3 * 10
    assert told == [(0, 25), (10, 25), (20, 25), (25, 25)]
    assert not result.changes
    assert "It matches exactly." in replay_text(result)


def test_wall_times_are_not_compared(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded()
    before = replay(client, run)
    client.log_batch(run.run_id, metrics=[Metric("sampling_ms", 1.5, 0, 25)])
    result = replay(client, find_trial(client, run.run_id))
    assert result.exact
    assert result.num_values == before.num_values


def test_a_stopped_trial_is_replayed_as_far_as_it_is_recorded(
    client: MlflowClient, recorded: Recorded
) -> None:
    result = replay(client, recorded(evaluations=2, status=Status.STOPPED))
    assert (result.exact, result.iteration, result.num_evaluations) == (True, 20, 2)


def test_a_failed_trial_is_replayed_up_to_its_crash(
    client: MlflowClient, recorded: Recorded
) -> None:
    result = replay(client, recorded(evaluations=1, status=Status.FAILED))
    assert (result.exact, result.iteration) == (True, 10)
    assert "before it crashed" in replay_text(result)


def test_a_trial_that_was_never_evaluated_is_refused(
    client: MlflowClient, recorded: Recorded
) -> None:
    run = recorded(evaluations=0)
    with pytest.raises(ConfigError, match=r"it is failed \(RuntimeError: no luck\)"):
        replay(client, run)


def test_a_diverged_trial_diverges_again(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded("wild")
    result = replay(client, run)
    assert (result.status, result.exact) == (Status.DIVERGED, True)
    assert 0 < result.iteration <= 25
    assert "diverges at the same iteration" in replay_text(result)


def test_a_trial_that_diverged_and_does_not_now(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded(evaluations=2, status=Status.DIVERGED)
    result = replay(client, run)
    assert not result.matches
    assert "it diverged at 20 ()" in result.ended_otherwise
    assert "now it has not by 20" in replay_text(result)


def test_a_trial_that_did_not_diverge_and_does_now(
    client: MlflowClient, recorded: Recorded
) -> None:
    run = recorded()
    settings = run.entry.configuration.settings | {"learning_rate": 1e30}
    client.set_tag(run.run_id, tags.SETTINGS, json.dumps(settings))
    result = replay(client, find_trial(client, run.run_id))
    assert not result.matches
    assert "it did not diverge; now it does at" in result.ended_otherwise


def test_rounding_is_told_from_difference(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded()
    change(client, run, "hist_kl", 1 + 1e-9, step=20)
    result = replay(client, find_trial(client, run.run_id))
    assert (result.exact, result.matches) == (False, True)
    text = replay_text(result)
    assert "matches within 1e-06: 1 value not exactly the same" in text
    assert "hist_kl at 20" in text

    change(client, run, "loss/kl", 1.01, step=20)
    result = replay(client, find_trial(client, run.run_id))
    assert not result.matches
    (found,) = result.beyond_tolerance
    assert (found.name, found.iteration) == ("loss/kl", 20)
    assert found.relative == pytest.approx(0.01, rel=0.02)
    text = replay_text(result)
    assert "It differs from iteration 20 on:\n  loss/kl at 20: recorded" in text
    assert "was the code changed since?" in text


def test_versions_explain_a_difference(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded()
    run_id = run.run_id
    client.set_tag(run_id, "introsearch.version.torch", "1.0")
    settings = dict(run.entry.configuration.settings)
    del settings["alpha"]
    client.set_tag(run_id, tags.SETTINGS, json.dumps(settings))
    result = replay(client, find_trial(client, run_id))
    assert result.exact
    assert f"torch 1.0, now {torch.__version__}"[:30] in result.changes[0]
    assert result.changes[1].startswith("a setting that the record does not have: alpha=")
    assert "torch" not in replay_text(result), "nothing needs an explanation"
    change(client, run, "hist_kl", 2, step=10)
    assert "torch 1.0, now" in replay_text(replay(client, find_trial(client, run_id)))


def test_a_metric_that_is_gone_differs(client: MlflowClient, recorded: Recorded) -> None:
    run = recorded(evaluations=1)
    client.log_batch(run.run_id, metrics=[Metric("old_metric", 1.0, 0, 10)])
    result = replay(client, find_trial(client, run.run_id))
    assert not result.matches
    assert "old_metric at 10: recorded 1.0, not measured now" in replay_text(result)


def test_evaluations_of_another_interval_are_met(
    client: MlflowClient, study: Study, recorded: Recorded
) -> None:
    """The interval may have been changed while the trial was interrupted."""
    run = recorded(evaluations=1, status=Status.INTERRUPTED)
    manner = dict(run.entry.manner)
    assert manner["evaluate_every"] == study.evaluate_every
    client.set_tag(run.run_id, tags.MANNER, json.dumps(manner | {"evaluate_every": 7}))
    assert replay(client, find_trial(client, run.run_id)).exact


def test_a_record_without_the_manner_is_replayed_in_the_studys(
    client: MlflowClient, recorded: Recorded
) -> None:
    run = recorded()
    client.delete_tag(run.run_id, tags.MANNER)
    assert replay(client, find_trial(client, run.run_id)).exact


def test_many_differences_are_summed_up() -> None:
    differences = tuple(
        Difference(name=f"m{i}", iteration=10, recorded=1.0, replayed=1.0 + i) for i in range(1, 9)
    )
    result = Replay(
        trial="0123456789ab-s0",
        title="rings / ip, seed 0",
        status=Status.FINISHED,
        iteration=1_000,
        num_evaluations=1,
        num_values=8,
        differences=differences,
        ended_otherwise="",
        changes=("torch 1, now 2",),
        seconds=1.0,
    )
    text = replay_text(result)
    assert len(text.splitlines()) == 3 + 5 + 1 + 2
    assert "and 3 more; the largest difference is m8 at 10" in text
    nan = dataclasses.replace(
        result, differences=(dataclasses.replace(differences[0], replayed=float("nan")),)
    )
    assert not nan.matches


def test_the_command(
    client: MlflowClient,
    recorded: Recorded,
    study: Study,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorded()
    store = ["--tracking-uri", client.tracking_uri]
    name = trial_of(study, "ip").name
    before = digest(tmp_path)
    assert main(["replay", name, *store]) == EXIT_DONE
    output = capsys.readouterr()
    assert "It matches exactly." in output.out
    assert output.err == ""
    assert digest(tmp_path) == before, "neither the record nor the study's files are touched"

    assert main(["replay", name[:6], *store, "--figures", str(tmp_path / "drawn")]) == EXIT_DONE
    assert [p.name for p in (tmp_path / "drawn").iterdir()] == ["model_0000025.png"]

    run_id = client.search_runs(["1"], f"tags.`{tags.LEVEL}` = 'seed'")[0].info.run_id
    change(client, find_trial(client, run_id), "hist_kl", 2, step=10)
    assert main(["replay", run_id, *store]) == EXIT_SOME_FAILED
    assert main(["replay", "nonsense", *store]) == EXIT_BAD_INPUT
