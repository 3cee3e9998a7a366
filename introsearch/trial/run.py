"""One trial, trained and evaluated in this process: no Ray, and no files of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from introsearch.data.folder import set_data_folder
from introsearch.editions import of_edition
from introsearch.errors import TrialDiverged
from introsearch.extensions import add_module_folders, metrics_for, resolve
from introsearch.figures.models.draw import draw_figure
from introsearch.figures.models.images import HISTORY, Curve, draw_history
from introsearch.files import set_runs_folder
from introsearch.registry import is_costly
from introsearch.settings.base import settings_from_dict, settings_to_dict
from introsearch.statuses import Status
from introsearch.training.figure_data import ImageFigure
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.order import TrialOrder
from introsearch.trial.usage import Usage

KeepFigure = Callable[[str, int, bytes], None]


def prepare_process(order: TrialOrder) -> None:
    """Make this process a place for the trial: its folders and modules are found, its cores used.

    All of it is state of the process, so that one process runs one trial after the other.
    """
    add_module_folders(order.module_folders)
    if order.data_folder:
        set_data_folder(order.data_folder)
    if order.runs_folder:
        set_runs_folder(order.runs_folder)
    torch.set_num_threads(max(1, math.floor(order.cpus)))


class TrialRun:
    """Trains a trial from one evaluation to the next, in a process that is prepared for it.

    Args:
        order: what to train, and how it is evaluated.
        keep_figure: called with each figure's name, iteration and PNG; without it none is drawn.
    """

    def __init__(self, order: TrialOrder, *, keep_figure: KeepFigure | None = None) -> None:
        self.order = order
        self.keep_figure = keep_figure
        self.device = "cuda" if order.gpus and torch.cuda.is_available() else "cpu"
        self.settings = settings_from_dict(order.trainer, order.settings)
        self.trainer = resolve("trainer", order.trainer)(
            self.settings, seed=order.seed, device=self.device
        )
        self.end: int = self.settings.iterations
        self.usage = Usage(self.device)
        self.evaluations: list[Evaluation] = []

    def next_evaluation(self) -> int:
        """The iteration at which the order wants the next evaluation."""
        every = self.order.evaluate_every  # may have changed since the trial began
        interval = every - self.trainer.iteration % every
        return int(min(self.trainer.iteration + interval, self.end))

    def step(self, until: int | None = None) -> Evaluation:
        """Train until an iteration, by default the next evaluation's, and evaluate there."""
        start = time.perf_counter()
        self.usage.start()
        trained: float | None = None
        metrics, status, reason = {}, Status.RUNNING, ""
        interval = (self.next_evaluation() if until is None else until) - self.trainer.iteration
        try:
            losses = self.trainer.advance(interval)
            trained = time.perf_counter()
            metrics = self._evaluate() | {f"loss/{name}": value for name, value in losses.items()}
            iteration = self.trainer.iteration
            if iteration >= self.end:
                status = Status.FINISHED
            if status == Status.FINISHED or iteration in self.order.figures_at:
                self._draw(metrics)
        except TrialDiverged as error:
            iteration, status, reason = error.iteration, Status.DIVERGED, error.message
        end, last = time.perf_counter(), self.evaluations[-1] if self.evaluations else None
        evaluation = Evaluation(
            iteration=iteration,
            status=status,
            metrics=metrics,
            timestamp_ms=time.time_ns() // 1_000_000,
            seconds=(last.seconds if last else 0.0) + end - start,
            evaluation_seconds=(last.evaluation_seconds if last else 0.0) + end - (trained or end),
            reason=reason,
            extractor=self.trainer.extractor,
            system=self.usage.read(before=last.system if last else {}),
        )
        self.evaluations.append(evaluation)
        return evaluation

    def _evaluate(self) -> dict[str, float]:
        """The metrics that are due now.

        Raises:
            TrialDiverged: one of them is not finite.
        """
        with of_edition(self.order.edition):
            return self._values()

    def _values(self) -> dict[str, float]:
        costly = self.order.costly_metrics and self.trainer.iteration >= self.end
        applicable = metrics_for(self.order.trainer, settings_to_dict(self.settings))
        wanted = [*applicable, *self.order.added_metrics]
        names = [name for name in wanted if costly or not is_costly(name)]
        metrics: dict[str, float] = self.trainer.evaluate(names)
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise TrialDiverged(f"metric {name!r}", iteration=self.trainer.iteration)
        if averaged := self.order.averaged_metric:  # if not finite, it ranks last at a rung
            values = self.trainer.evaluate([averaged], averaged=True)
            metrics[f"averaged/{averaged}"] = values[averaged]
        return self.trainer.details() | metrics

    def _draw(self, metrics: Mapping[str, float]) -> None:
        if self.keep_figure is None:
            return
        iteration = self.trainer.iteration
        title = f"{self.order.title}, iteration {iteration:,}"
        for name, figure in self.trainer.figures().items():
            self.keep_figure(name, iteration, draw_figure(figure, title=title))
            if isinstance(figure, ImageFigure):
                of_prior = len(figure.component_weights) > 0
                curves = self._history(iteration, metrics, HISTORY if of_prior else HISTORY[:1])
                self.keep_figure("history", iteration, draw_history(curves, title=title))

    def _history(
        self, iteration: int, metrics: Mapping[str, float], names: Sequence[str]
    ) -> dict[str, Curve]:
        """What is followed over time, up to now."""
        points = [*((e.iteration, e.metrics) for e in self.evaluations), (iteration, metrics)]
        return {
            name: ([i for i, _ in points], [values[name] for _, values in points])
            for name in names
            if all(name in values for _, values in points)
        }

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the trial depends on, its evaluations so far, and what it is."""
        order = self.order
        return {
            "what": {"trainer": order.trainer, "settings": order.settings, "seed": order.seed},
            "trainer": self.trainer.state_dict(),
            "evaluations": [e.to_dict() for e in self.evaluations],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.trainer.load_state_dict(state["trainer"])
        self.evaluations = [Evaluation.from_dict(e) for e in state["evaluations"]]
