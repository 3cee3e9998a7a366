"""Latent Flow: a flow of maximum likelihood."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import LatentFlowSettings
from introsearch.training.latent.base import LatentPriorTrainer, Players
from introsearch.training.latent.sampler import FlowSampler
from introsearch.training.spans import span
from introsearch.training.stepwise import descend


class LatentFlow(LatentPriorTrainer):
    """Maximises E_q[log p_g(z)] over posterior samples."""

    Settings: ClassVar[type[TrainerSettings]] = LatentFlowSettings
    settings: LatentFlowSettings

    def _make_players(self) -> Players:
        self.flow = FlowSampler(self.settings, device=self.device)
        return Players({"sampler": self.flow.trained}, self.flow.averaged, self.flow.average)

    def _step(self) -> dict[str, Tensor]:
        z = self._posterior_batch(self.settings.batch_size)
        with span("sampler step"):
            nll = -self.flow.trained.log_prob(z).mean()
            descend(self.optimisers["sampler"], nll)
        self.flow.follow()
        return {"nll": nll.detach()}
