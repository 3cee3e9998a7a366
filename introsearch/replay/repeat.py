"""Runs a recorded trial again, in this process, and compares all that it measures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from introsearch.errors import ConfigError
from introsearch.files import write_atomically
from introsearch.record import tags as record
from introsearch.record.provenance import provenance
from introsearch.record.results import read_study
from introsearch.registry import is_timing
from introsearch.settings.base import settings_to_dict
from introsearch.statuses import Status
from introsearch.study.model import Configuration, Trial
from introsearch.trial.evaluation import SECONDS, TIMES, Evaluation
from introsearch.trial.order import TrialOrder, order_in_manner, order_of
from introsearch.trial.run import TrialRun

TOLERANCE = 1e-6  # relative


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A value that is not exactly as recorded; None if it was not measured this time."""

    name: str
    iteration: int
    recorded: float
    replayed: float | None

    @property
    def relative(self) -> float:
        """Difference relative to the larger of the two."""
        if self.replayed is None:
            return float("inf")
        scale = max(abs(self.recorded), abs(self.replayed))
        return abs(self.recorded - self.replayed) / scale if scale else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """How a trial that was run again compares with its record.

    Attributes:
        trial: its name.
        title: its groups and seed.
        status: as recorded.
        iteration: the last one that is recorded.
        num_evaluations: how many were compared.
        num_values: how many metric and loss values.
        differences: values that are not exactly the same, in the order of iterations.
        ended_otherwise: in words, if it diverged at another iteration or only once.
        changes: what is not as it was when the trial was recorded.
        seconds: how long it took.
    """

    trial: str
    title: str
    status: str
    iteration: int
    num_evaluations: int
    num_values: int
    differences: tuple[Difference, ...]
    ended_otherwise: str
    changes: tuple[str, ...]
    seconds: float

    @property
    def exact(self) -> bool:
        return not self.differences and not self.ended_otherwise

    @property
    def beyond_tolerance(self) -> list[Difference]:
        """Differences that rounding does not explain."""
        return [d for d in self.differences if not d.relative <= TOLERANCE]

    @property
    def matches(self) -> bool:
        return not self.beyond_tolerance and not self.ended_otherwise


def replay(
    client: MlflowClient,
    run: Run,
    *,
    figures: Path | None = None,
    notify: Callable[[int, int], None] = lambda done, last: None,
) -> Replay:
    """Train a recorded trial again as far as its record goes; nothing is written to the record.

    Args:
        client: of the record's store.
        run: the trial's run.
        figures: a folder for the trial's figures; without it none is drawn.
        notify: called with the iterations done and their number, at the start and after each
            evaluation.

    Raises:
        ConfigError: nothing is recorded that could be compared, or settings that no longer exist.
    """
    start = time.monotonic()
    expected = _recorded_values(client, run)
    last = max(expected)
    order = _order(client, run)
    order = replace(order, figures_at=(*order.figures_at, last))
    trial = TrialRun(order, keep_figure=None if figures is None else _keeper(figures))
    differences: list[Difference] = []
    for evaluation in _evaluations(run, trial, list(expected), notify):
        if evaluation.status != Status.DIVERGED:
            differences += _differences(expected[evaluation.iteration], evaluation)
    return Replay(
        trial=order.name,
        title=order.title,
        status=run.data.tags[record.STATUS],
        iteration=last,
        num_evaluations=len(expected),
        num_values=sum(map(len, expected.values())),
        differences=tuple(differences),
        ended_otherwise=_ended_otherwise(run, last, trial.evaluations[-1]),
        changes=tuple(_changes(run, trial)),
        seconds=time.monotonic() - start,
    )


def _recorded_values(client: MlflowClient, run: Run) -> dict[int, dict[str, float]]:
    """Metrics and losses by iteration, for every recorded evaluation; no wall times."""
    last = int(run.data.tags.get(record.ITERATION, -1))
    values: dict[int, dict[str, float]] = {}
    for name in (SECONDS, *(name for name in run.data.metrics if name != SECONDS)):
        for point in client.get_metric_history(run.info.run_id, name):
            if point.step <= last:
                at = values.setdefault(point.step, {})
                if name not in TIMES and not is_timing(name):
                    at[name] = point.value
    if not values:
        status, reason = run.data.tags[record.STATUS], run.data.tags.get(record.REASON, "")
        raise ConfigError(
            f"nothing is recorded of this trial that could be compared: it is {status}"
            + (f" ({reason})" if reason else ""),
            hint="a trial can be replayed once it has been evaluated",
        )
    return dict(sorted(values.items()))


def _order(client: MlflowClient, run: Run) -> TrialOrder:
    """What the trial's worker was told."""
    tags = run.data.tags
    trial = Trial(
        configuration=Configuration(
            id=tags[record.CONFIG_ID],
            trainer=tags[record.TRAINER],
            settings=json.loads(tags[record.SETTINGS]),
            groups=tuple(json.loads(tags[record.GROUPS])),
            variants=tuple(json.loads(tags[record.VARIANTS])),
        ),
        seed=int(tags[record.SEED]),
        stage="report" if tags[record.STAGE] == "report" else "select",
    )
    if record.MANNER in tags:
        return order_in_manner(trial, json.loads(tags[record.MANNER]))
    study = read_study(client, client.get_experiment(run.info.experiment_id).name)
    return order_of(study, trial, resources=study.resources, folder="")


def _keeper(folder: Path) -> Callable[[str, int, bytes], None]:
    def keep(name: str, iteration: int, png: bytes) -> None:
        write_atomically(folder / f"{name}_{iteration:07d}.png", png)

    return keep


def _evaluations(
    run: Run, trial: TrialRun, iterations: Sequence[int], notify: Callable[[int, int], None]
) -> Iterator[Evaluation]:
    """Evaluations at the recorded iterations, until one diverges.

    A trial that diverged was found out at the evaluation after that, so it is not stopped before.
    """
    last = iterations[-1]
    diverged = run.data.tags[record.STATUS] == Status.DIVERGED
    notify(0, last)
    for iteration in iterations:
        evaluation = trial.step(None if diverged and iteration == last else iteration)
        notify(evaluation.iteration, last)
        yield evaluation
        if evaluation.status == Status.DIVERGED:
            return


def _differences(expected: Mapping[str, float], evaluation: Evaluation) -> list[Difference]:
    found = [
        Difference(
            name=name,
            iteration=evaluation.iteration,
            recorded=value,
            replayed=evaluation.metrics.get(name),
        )
        for name, value in expected.items()
    ]
    return [d for d in found if d.recorded != d.replayed]


def _ended_otherwise(run: Run, last: int, evaluation: Evaluation) -> str:
    """In words, if a trial diverged at another iteration than recorded, or only once."""
    recorded, reason = run.data.tags[record.STATUS], run.data.tags.get(record.REASON, "")
    if (recorded == Status.DIVERGED) == (
        evaluation.status == Status.DIVERGED
    ) and evaluation.iteration == last:
        return ""
    before = (
        f"it diverged at {last:,} ({reason})"
        if recorded == Status.DIVERGED
        else "it did not diverge"
    )
    if evaluation.status == Status.DIVERGED:
        return f"{before}; now it does at {evaluation.iteration:,} ({evaluation.reason})"
    return f"{before}; now it has not by {evaluation.iteration:,}"


def _changes(run: Run, trial: TrialRun) -> Iterator[str]:
    """What is not as it was when the trial was recorded, in words."""
    tags, now = run.data.tags, provenance()
    words = {f"introsearch.version.{name}": name for name in ("introsearch", "torch", "python")}
    words |= {"mlflow.source.git.commit": "git commit", "introsearch.host": "host"}
    for tag, word in words.items():
        before, after = tags.get(tag, "unknown"), now.get(tag, "unknown")
        if before != after:
            yield f"{word} {before[:20]}, now {after[:20]}"
    if trial.order.gpus:
        yield (
            "trained on a GPU, now on a CPU"
            if trial.device == "cpu"
            else "trained on a GPU, which adds up in no fixed order"
        )
    recorded = json.loads(tags[record.SETTINGS])
    for name, value in settings_to_dict(trial.settings).items():
        if name not in recorded:
            yield f"a setting that the record does not have: {name}={value}"
