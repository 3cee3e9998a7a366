"""What all trainers share that take optimiser steps: the loop over iterations, and a step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from introsearch.errors import TrialDiverged
from introsearch.training.base import Trainer
from introsearch.training.spans import span


class StepwiseTrainer(Trainer):
    """Trains iteration by iteration; subclasses define `_step`."""

    def advance(self, iterations: int) -> dict[str, float]:
        """Train for `iterations` more and return the mean of every loss term.

        Raises:
            TrialDiverged: a term was NaN or infinite; says which and when.
        """
        start, history = self.iteration, []
        for _ in range(iterations):
            self._before_step()
            history.append(self._step())
            self.iteration += 1
        return mean_terms(history, start=start)

    def _before_step(self) -> None:
        """Make what the next iteration needs that others do not."""

    def _step(self) -> dict[str, Tensor]:
        """Train for one iteration and return its loss terms, detached."""
        raise NotImplementedError


def descend(optimiser: Optimizer, loss: Tensor, *, retain_graph: bool = False) -> None:
    """Backpropagate into the parameters of one optimiser alone, and take its step."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    optimiser.zero_grad()
    loss.backward(inputs=[p for p in parameters if p.requires_grad], retain_graph=retain_graph)
    with span("optimiser"):
        optimiser.step()


def mean_terms(history: list[dict[str, Tensor]], *, start: int) -> dict[str, float]:
    """Mean of each term over an interval, read from the device once per kind of step.

    Raises:
        TrialDiverged: a term was NaN or infinite.
    """
    means: dict[str, float] = {}
    for name in history[-1]:
        first = next(i for i, terms in enumerate(history) if name in terms)
        values = torch.stack([terms[name] for terms in history[first:]]).double().cpu()
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            raise TrialDiverged(f"loss term {name!r}", iteration=start + first + int(bad[0]) + 1)
        means[name] = float(values.mean())
    return means
