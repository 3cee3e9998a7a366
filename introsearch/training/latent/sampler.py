"""The flow that EVaLP and Latent Flow train, each by its own loss."""

from __future__ import annotations

import torch

from introsearch.nets.flow import RealNVP
from introsearch.priors.flow import FlowPrior
from introsearch.settings.latent import EVaLPSettings, LatentFlowSettings
from introsearch.training.spans import span
from introsearch.training.weight_average import WeightAverage


class FlowSampler:
    """A flow in training, and the moving average of its weights, which is what samples.

    Attributes:
        trained: the flow itself, initialised from torch's global generator.
        average: of its weights.
        averaged: the flow with these weights.
    """

    def __init__(
        self, settings: LatentFlowSettings | EVaLPSettings, *, device: torch.device
    ) -> None:
        s = settings
        flow = RealNVP(s.latent_dim, num_blocks=s.coupling_blocks, hidden_units=s.flow_units)
        self.trained = FlowPrior(flow, s.latent_dim).to(device)
        self.average = WeightAverage({"sampler": self.trained}, decay=s.average_decay)
        averaged = self.average.modules["sampler"].requires_grad_(False)
        assert isinstance(averaged, FlowPrior)
        self.averaged = averaged

    def follow(self) -> None:
        """Let the average follow a step of the flow."""
        with span("averages"):
            self.average.update({"sampler": self.trained})
