"""The noise-contrastive prior: an energy from a classifier between posterior and prior samples."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from introsearch.losses.evalp import contrastive_loss
from introsearch.nets.energy import EnergyNetwork
from introsearch.priors.base import Prior
from introsearch.priors.energy import EnergyPrior
from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import NCPSettings
from introsearch.training.latent.base import LatentPriorTrainer
from introsearch.training.spans import span
from introsearch.training.stepwise import descend


class NCP(LatentPriorTrainer):
    """Learns f = log p_0 - log q, and samples exp(-f) p_0 by SIR from p_0."""

    Settings: ClassVar[type[TrainerSettings]] = NCPSettings
    settings: NCPSettings

    def _make_players(self) -> dict[str, nn.Module]:
        s = self.settings
        self.energy = EnergyNetwork(s.latent_dim, hidden_units=s.energy_units)
        return {"energy": self.energy}

    def _make_prior(self) -> Prior:
        return EnergyPrior(
            self.energy,
            base=self.base,
            proposal=self.base,
            temperature=1.0,
            num_proposals=self.settings.proposals,
        )

    def _step(self) -> dict[str, Tensor]:
        n = self.settings.batch_size
        positive = self._posterior_batch(n)
        with span("critic steps"):
            negative = self.base.sample(n, self.streams["noise"])
            f_positive, f_negative = self.energy(torch.cat([positive, negative])).chunk(2)
            loss = contrastive_loss(f_positive, f_negative)
            descend(self.optimisers["energy"], loss)
        return {"cross_entropy": loss.detach()}
