"""Runs a recorded trial again, in this process, and compares all that it measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from introsearch.errors import ConfigError
from introsearch.files import write_atomically
from introsearch.record.provenance import origin
from introsearch.record.results import read_study
from introsearch.record.runs import SeedRun, read_values
from introsearch.record.store import Store
from introsearch.record.tags import Origin
from introsearch.registry import is_timing
from introsearch.settings.base import settings_to_dict
from introsearch.statuses import Status
from introsearch.trial.evaluation import SECONDS, Evaluation, is_value
from introsearch.trial.order import TrialOrder, order_in_manner, order_of
from introsearch.trial.run import TrialRun, prepare_process

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
    status: Status
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
    client: Store,
    run: SeedRun,
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
    prepare_process(order)
    trial = TrialRun(order, keep_figure=None if figures is None else _keeper(figures))
    differences: list[Difference] = []
    for evaluation in _evaluations(run, trial, list(expected), notify):
        if evaluation.status != Status.DIVERGED:
            differences += _differences(expected[evaluation.iteration], evaluation)
    return Replay(
        trial=order.name,
        title=order.title,
        status=run.entry.status,
        iteration=last,
        num_evaluations=len(expected),
        num_values=sum(map(len, expected.values())),
        differences=tuple(differences),
        ended_otherwise=_ended_otherwise(run, last, trial.evaluations[-1]),
        changes=tuple(_changes(run, trial)),
        seconds=time.monotonic() - start,
    )


def _recorded_values(client: Store, run: SeedRun) -> dict[int, dict[str, float]]:
    """Metrics and losses by iteration, for every recorded evaluation; no wall times."""
    entry = run.entry
    values: dict[int, dict[str, float]] = {}
    for name in (SECONDS, *(name for name in run.metrics if name != SECONDS)):
        for iteration, value in read_values(client, run, name=name).items():
            if iteration <= entry.iteration:
                at = values.setdefault(iteration, {})
                if is_value(name) and not is_timing(name):
                    at[name] = value
    if not values:
        raise ConfigError(
            f"nothing is recorded of this trial that could be compared: it is {entry.status}"
            + (f" ({entry.reason})" if entry.reason else ""),
            hint="a trial can be replayed once it has been evaluated",
        )
    return dict(sorted(values.items()))


def _order(client: Store, run: SeedRun) -> TrialOrder:
    """What the trial's worker was told."""
    if run.entry.manner:
        return order_in_manner(run.entry.trial, run.entry.manner)
    study = read_study(client, run.study)
    return order_of(study, run.entry.trial, resources=study.resources, folder="")


def _keeper(folder: Path) -> Callable[[str, int, bytes], None]:
    def keep(name: str, iteration: int, png: bytes) -> None:
        write_atomically(folder / f"{name}_{iteration:07d}.png", png)

    return keep


def _evaluations(
    run: SeedRun, trial: TrialRun, iterations: Sequence[int], notify: Callable[[int, int], None]
) -> Iterator[Evaluation]:
    """Evaluations at the recorded iterations, until one diverges.

    A trial that diverged was found out at the evaluation after that, so it is not stopped before.
    """
    last = iterations[-1]
    diverged = run.entry.status == Status.DIVERGED
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


def _ended_otherwise(run: SeedRun, last: int, evaluation: Evaluation) -> str:
    """In words, if a trial diverged at another iteration than recorded, or only once."""
    recorded, reason = run.entry.status, run.entry.reason
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


def _changes(run: SeedRun, trial: TrialRun) -> Iterator[str]:
    """What is not as it was when the trial was recorded, in words."""
    for word, before, after in _differing(run.entry.origin, origin()):
        yield f"{word} {before[:20] or 'unknown'}, now {after[:20] or 'unknown'}"
    if trial.order.gpus:
        yield (
            "trained on a GPU, now on a CPU"
            if trial.device == "cpu"
            else "trained on a GPU, which adds up in no fixed order"
        )
    for name, value in settings_to_dict(trial.settings).items():
        if name not in run.entry.configuration.settings:
            yield f"a setting that the record does not have: {name}={value}"


def _differing(then: Origin, now: Origin) -> Iterator[tuple[str, str, str]]:
    """A word, what it was, and what it is."""
    pairs = [
        (name, then.versions.get(name, ""), now.versions.get(name, ""))
        for name in ("introsearch", "torch", "python")
    ]
    pairs += [("git commit", then.commit, now.commit), ("host", then.host, now.host)]
    return (pair for pair in pairs if pair[1] != pair[2])
