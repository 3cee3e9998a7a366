"""Runs a conductor's pending trials in this process, one after the other: no Ray, no workers."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from introsearch.execution.conductor import Conductor
from introsearch.execution.machine import without_gpus
from introsearch.execution.progress import Progress
from introsearch.execution.signals import Interrupts
from introsearch.statuses import Status
from introsearch.study.model import Trial
from introsearch.study.sections import Resources
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.kept import KeptTrial, gpu_is_usable, threads_restored
from introsearch.trial.order import TrialOrder, order_of


class InlineBackend:
    """This process: what trials print is seen, and a debugger works."""

    def start(
        self, resources: Resources, *, notify: Callable[[str], None], folder: Path
    ) -> Resources:
        """As for any `Backend`."""
        usable = not resources.gpus or gpu_is_usable()
        return resources if usable else without_gpus(resources, notify=notify)

    def run(
        self,
        conductor: Conductor,
        *,
        resources: Resources,
        progress: Progress,
        folder: Path,
        deadline: float,
    ) -> None:
        """As for any `Backend`."""
        study, where = conductor.study, str(folder.resolve())
        with threads_restored(), Interrupts() as interrupts:
            runner = _Runner(conductor, progress, interrupts, deadline)
            conductor.offer()
            while (trial := runner.next_trial()) is not None:
                runner.run(trial, order_of(study, trial, resources=resources, folder=where))


class _Runner:
    """Trains one trial after the other; a Ctrl-C waits while something is being recorded."""

    def __init__(
        self, conductor: Conductor, progress: Progress, interrupts: Interrupts, deadline: float
    ) -> None:
        self.conductor = conductor
        self.progress = progress
        self.interrupts = interrupts
        self.deadline = deadline

    def next_trial(self) -> Trial | None:
        """The next one, unless there is none, or the stage is given up."""
        with self.interrupts.held():
            return None if self._is_over() else self.conductor.next_trial()

    def run(self, trial: Trial, order: TrialOrder) -> None:
        """One trial, started again from its checkpoint as often as it may be."""
        failures: list[str] = []
        with self.interrupts.held():
            self.conductor.on_start(trial.name)
            self.progress.update(self.conductor)
        for attempt in range(1 + self.conductor.study.budget.max_restarts):
            try:
                self._train(trial, order)
                return
            except _Crashed as crash:
                failures.append(f"Failure # {attempt + 1}\n{crash}")
        with self.interrupts.held():
            self.conductor.on_crash(trial.name, "\n".join(failures))
            self.progress.update(self.conductor)

    def _train(self, trial: Trial, order: TrialOrder) -> None:
        """Until the trial ends, is stopped, or the time is over.

        Raises:
            _Crashed: it raised something.
        """
        evaluations = _evaluations(order)
        stop = False
        while not stop:
            try:
                evaluation = next(evaluations)
            except (Exception, SystemExit) as error:  # there is foreign code in it
                raise _Crashed(traceback.format_exc()) from error
            with self.interrupts.held():
                stop = self.conductor.on_evaluation(trial.name, evaluation)
                self.progress.update(self.conductor)
                stop = stop or evaluation.status != Status.RUNNING or self._is_over()

    def _is_over(self) -> bool:
        if time.monotonic() > self.deadline:
            self.conductor.end_time()
        return bool(self.conductor.abort_reason)


class _Crashed(Exception):
    """A trial raised something, of which the text is the traceback."""


def _evaluations(order: TrialOrder) -> Iterator[Evaluation]:
    """The evaluations of a trial, from its first, without an end."""
    kept = KeptTrial(order, echo=True)
    while True:
        yield kept.step()
