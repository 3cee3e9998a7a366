"""The loop over iterations of trainers that take optimiser steps, and such a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from introsearch.errors import TrialDiverged
from introsearch.training.base import Trainer
from introsearch.training.spans import span


def take_steps(
    trainer: Trainer,
    iterations: int,
    *,
    before: Callable[[], None],
    step: Callable[[], dict[str, Tensor]],
) -> dict[str, float]:
    """Train for `iterations` more and return the mean of every loss term.

    Args:
        trainer: counts its iterations.
        iterations: how many.
        before: makes what the next iteration needs that others do not.
        step: trains for one iteration and returns its loss terms, detached.

    Raises:
        TrialDiverged: a term was NaN or infinite; says which and when.
    """
    start, history = trainer.iteration, []
    for _ in range(iterations):
        before()
        history.append(step())
        trainer.iteration += 1
    return mean_terms(history, start=start)


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
