"""The bridge from Ray Tune to the trainers: one trial on one worker."""

from __future__ import annotations

import io
import math
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import torch
from ray import tune

from introsearch.errors import TrialDiverged
from introsearch.registry import METRICS, TRAINERS, load
from introsearch.results.figures import draw_trial
from introsearch.results.record import DIVERGED, FINISHED, RUNNING, Evaluation
from introsearch.training.settings import resolve_settings
from introsearch.trial_files import checkpoint_path, figure_path, write_atomically


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """All that a worker needs to know of a trial; plain values, so that it travels as JSON.

    Attributes:
        name: the trial's name; also of its files.
        title: of its figures.
        trainer: a name in the trainer registry.
        settings: the trainer's settings.
        seed: the trial's seed.
        costly_metrics: compute the costly metrics too, at the end.
        evaluate_every: iterations between evaluations.
        figures_at: iterations at which figures are drawn; the last one always is among them.
        folder: where checkpoints and figures are kept, shared by all nodes.
        cpus: threads to use.
        gpus: share of a GPU; 0 trains on the CPU.
    """

    name: str
    title: str
    trainer: str
    settings: dict[str, Any]
    seed: int
    costly_metrics: bool
    evaluate_every: int
    figures_at: tuple[int, ...]
    folder: str
    cpus: float
    gpus: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class TrialTrainable(tune.Trainable):
    """Trains one trial, an evaluation interval per step, and checkpoints after each.

    The checkpoint is one file per trial, replaced atomically before its evaluation is reported,
    and it holds all evaluations so far. A restarted trial first reports those again, so that
    whoever listens needs no memory of its own. Ray Tune's checkpoints are not used.
    """

    def setup(self, config: dict[str, Any]) -> None:
        order = TrialOrder(**config["order"])
        self.order = order
        torch.set_num_threads(max(1, math.floor(order.cpus)))
        device = "cuda" if order.gpus and torch.cuda.is_available() else "cpu"
        settings = resolve_settings(order.trainer, order.settings)
        self.trainer = load(TRAINERS[order.trainer].trainer)(
            settings, seed=order.seed, device=device
        )
        self.end = settings.iterations
        self.evaluations: list[Evaluation] = []
        self._restore()
        self.unreported = deque(self.evaluations)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if not self.unreported:
            evaluation = self._train_and_evaluate()
            self.evaluations.append(evaluation)
            self._save()
            self.unreported.append(evaluation)
        evaluation = self.unreported.popleft()
        return {"evaluation": evaluation.to_json(), "done": evaluation.status != RUNNING}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a step has saved already."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: `setup` has restored already."""

    def _train_and_evaluate(self) -> Evaluation:
        start = time.perf_counter()
        metrics, status, reason = {}, RUNNING, ""
        every = self.order.evaluate_every  # may have changed since the trial began
        interval = min(every - self.trainer.iteration % every, self.end - self.trainer.iteration)
        try:
            metrics = self._advance(interval)
            iteration = self.trainer.iteration
            if iteration >= self.end:
                status = FINISHED
            if status == FINISHED or iteration in self.order.figures_at:
                self._draw()
        except TrialDiverged as error:
            iteration, status, reason = error.iteration, DIVERGED, error.message
        spent = self.evaluations[-1].seconds if self.evaluations else 0.0
        return Evaluation(
            iteration=iteration,
            status=status,
            metrics=metrics,
            timestamp_ms=time.time_ns() // 1_000_000,
            seconds=spent + time.perf_counter() - start,
            reason=reason,
        )

    def _advance(self, interval: int) -> dict[str, float]:
        """Losses and metrics after `interval` more iterations.

        Raises:
            TrialDiverged: one of them is not finite.
        """
        losses = self.trainer.advance(interval)
        costly = self.order.costly_metrics and self.trainer.iteration >= self.end
        names = [name for name, metric in METRICS.items() if costly or not metric.costly]
        metrics: dict[str, float] = self.trainer.evaluate(names)
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise TrialDiverged(f"metric {name!r}", iteration=self.trainer.iteration)
        return metrics | {f"loss/{name}": value for name, value in losses.items()}

    def _draw(self) -> None:
        for name, figure in self.trainer.figures().items():
            title = f"{self.order.title}, iteration {self.trainer.iteration:,}"
            path = figure_path(
                self.order.folder, self.order.name, name, iteration=self.trainer.iteration
            )
            write_atomically(path, draw_trial(figure, title=title))

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {
            "trainer": self.trainer.state_dict(),
            "evaluations": [asdict(e) for e in self.evaluations],
        }
        torch.save(state, buffer)
        write_atomically(checkpoint_path(self.order.folder, self.order.name), buffer.getvalue())

    def _restore(self) -> None:
        path = checkpoint_path(self.order.folder, self.order.name)
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.trainer.load_state_dict(state["trainer"])
        self.evaluations = [Evaluation(**e) for e in state["evaluations"]]
