"""The bridge from Ray Tune to the trainers: one trial on one worker."""

from __future__ import annotations

from typing import Any

from ray import tune

from introsearch.statuses import Status
from introsearch.trial.kept import KeptTrial
from introsearch.trial.order import TrialOrder


class TrialTrainable(tune.Trainable):
    """Trains one trial, an evaluation interval per step. Ray Tune's checkpoints are not used."""

    def setup(self, config: dict[str, Any]) -> None:
        self.trial = KeptTrial(TrialOrder(**config["order"]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        evaluation = self.trial.step()
        return {"evaluation": evaluation.to_json(), "done": evaluation.status != Status.RUNNING}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a step has saved already."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: `setup` has restored already."""
