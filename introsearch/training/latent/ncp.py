"""The noise-contrastive prior: an energy from a classifier between posterior and prior samples."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from introsearch.losses.evalp import contrastive_loss
from introsearch.nets.energy import EnergyNetwork
from introsearch.priors.energy import EnergyPrior
from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import NCPSettings
from introsearch.training.latent.base import LatentPriorTrainer, Players
from introsearch.training.spans import span
from introsearch.training.stepwise import descend


class NCP(LatentPriorTrainer):
    """Learns f = log p_0 - log q, and samples exp(-f) p_0 by SIR from p_0."""

    Settings: ClassVar[type[TrainerSettings]] = NCPSettings
    settings: NCPSettings

    def _make_players(self) -> Players:
        s, base = self.settings, self.stage_1.base
        self.energy = EnergyNetwork(s.latent_dim, hidden_units=s.energy_units).to(self.device)
        prior = EnergyPrior(
            self.energy, base=base, proposal=base, temperature=1.0, num_proposals=s.proposals
        )
        return Players({"energy": self.energy}, prior)

    def _step(self) -> dict[str, Tensor]:
        n = self.settings.batch_size
        positive = self._posterior_batch(n)
        with span("critic steps"):
            negative = self.stage_1.base.sample(n, self.streams["noise"])
            f_positive, f_negative = self.energy(torch.cat([positive, negative])).chunk(2)
            loss = contrastive_loss(f_positive, f_negative)
            descend(self.optimisers["energy"], loss)
        return {"cross_entropy": loss.detach()}
