"""Latent Flow: a flow of maximum likelihood, and what EVaLP's sampler shares with it."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from introsearch.nets.flow import RealNVP
from introsearch.priors.base import Prior
from introsearch.priors.flow import FlowPrior
from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import LatentFlowSettings
from introsearch.training.latent.base import LatentPriorTrainer
from introsearch.training.spans import span
from introsearch.training.stepwise import descend
from introsearch.training.weight_average import WeightAverage


class LatentFlow(LatentPriorTrainer):
    """Maximises E_q[log p_g(z)] over posterior samples."""

    Settings: ClassVar[type[TrainerSettings]] = LatentFlowSettings
    settings: LatentFlowSettings
    average: WeightAverage

    def _make_players(self) -> dict[str, nn.Module]:
        s = self.settings
        flow = RealNVP(s.latent_dim, num_blocks=s.coupling_blocks, hidden_units=s.flow_units)
        self.sampler = FlowPrior(flow, s.latent_dim)
        return {"sampler": self.sampler}

    def _make_prior(self) -> Prior:
        self.average = WeightAverage({"sampler": self.sampler}, decay=self.settings.average_decay)
        averaged = self.average.modules["sampler"].requires_grad_(False)
        assert isinstance(averaged, FlowPrior)
        return averaged

    def _step(self) -> dict[str, Tensor]:
        z = self._posterior_batch(self.settings.batch_size)
        with span("sampler step"):
            nll = -self.sampler.log_prob(z).mean()
            descend(self.optimisers["sampler"], nll)
        with span("averages"):
            self.average.update({"sampler": self.sampler})
        return {"nll": nll.detach()}
