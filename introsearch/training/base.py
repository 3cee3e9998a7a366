"""The contract of a trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from introsearch.settings.base import TrainerSettings

if TYPE_CHECKING:
    import torch

    from introsearch.training.figure_data import Figure


class Trainer:
    """Trains one model. Knows nothing of Ray, MLflow, YAML or paths.

    All randomness follows from the seed, in a stream per purpose, so that looking at a model never
    changes its training.

    Attributes:
        Settings: what it can be told.
        iteration: training iterations done so far.
    """

    Settings: ClassVar[type[TrainerSettings]]
    iteration: int

    @property
    def extractor(self) -> str:
        """Whose features its metrics compare generated images by, down to the weights; or empty."""
        return ""

    def __init__(self, settings: Any, *, seed: int, device: torch.device | str = "cpu") -> None:
        """Start from nothing.

        Args:
            settings: of the class `Settings`.
            seed: everything random follows from it.
            device: where to train.
        """
        raise NotImplementedError

    def advance(self, iterations: int) -> dict[str, float]:
        """Train for `iterations` more and return the mean of every loss term.

        Raises:
            TrialDiverged: a term was NaN or infinite; says which and when.
        """
        raise NotImplementedError

    def evaluate(self, names: Sequence[str], *, averaged: bool = False) -> dict[str, float]:
        """Metrics by name (`extensions.resolve`), without any effect on training.

        Args:
            names: of metrics.
            averaged: judge averaged weights, if the trainer keeps them.
        """
        raise NotImplementedError

    def details(self) -> dict[str, float]:
        """Numbers that are recorded at every evaluation and shown in no table; there need not be.

        Like metrics, they have no effect on training.
        """
        return {}

    def figures(self) -> Mapping[str, Figure]:
        """Figures of the model as it is now, by name; there need not be any."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on, as tensors and plain values."""
        raise NotImplementedError

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`: on the CPU bit for bit as if never interrupted."""
        raise NotImplementedError
