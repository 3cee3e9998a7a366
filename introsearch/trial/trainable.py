"""The bridge from Ray Tune to the trainers: one trial on one worker."""

from __future__ import annotations

import io
from collections import deque
from typing import Any

import torch
from ray import tune

from introsearch.files import checkpoint_path, figure_path, write_atomically
from introsearch.statuses import Status
from introsearch.trial.order import TrialOrder
from introsearch.trial.run import TrialRun, prepare_process


class TrialTrainable(tune.Trainable):
    """Trains one trial, an evaluation interval per step, and checkpoints after each.

    The checkpoint is one file per trial, replaced atomically before its evaluation is reported,
    and it holds all evaluations so far. A restarted trial first reports those again, so that
    whoever listens needs no memory of its own. Ray Tune's checkpoints are not used.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self.order = TrialOrder(**config["order"])
        prepare_process(self.order)
        self.trial_run = TrialRun(self.order, keep_figure=self._keep_figure)
        self._restore()
        self.trainer, self.end = self.trial_run.trainer, self.trial_run.end
        self.evaluations = self.trial_run.evaluations
        self.unreported = deque(self.evaluations)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if not self.unreported:
            evaluation = self.trial_run.step()
            self._save()
            self.unreported.append(evaluation)
        evaluation = self.unreported.popleft()
        return {"evaluation": evaluation.to_json(), "done": evaluation.status != Status.RUNNING}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a step has saved already."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: `setup` has restored already."""

    def _keep_figure(self, name: str, iteration: int, png: bytes) -> None:
        path = figure_path(self.order.folder, self.order.name, name, iteration=iteration)
        write_atomically(path, png)

    def _save(self) -> None:
        buffer = io.BytesIO()
        torch.save(self.trial_run.state_dict(), buffer)
        write_atomically(checkpoint_path(self.order.folder, self.order.name), buffer.getvalue())

    def _restore(self) -> None:
        path = checkpoint_path(self.order.folder, self.order.name)
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.trial_run.load_state_dict(state)


def gpu_is_usable() -> bool:
    """Whether this build of torch can use a GPU of this machine; Ray counts them all the same."""
    return torch.cuda.is_available()
