"""EVaLP: an energy and a flow that learns to sample it, in turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from introsearch.losses.evalp import critic_loss, on_segments, sampler_loss
from introsearch.nets.energy import EnergyNetwork
from introsearch.priors.base import Prior
from introsearch.priors.energy import EnergyPrior
from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import EVaLPSettings
from introsearch.training.latent.base import LatentPriorTrainer, Players
from introsearch.training.latent.sampler import FlowSampler
from introsearch.training.spans import span
from introsearch.training.stepwise import descend


class EVaLP(LatentPriorTrainer):
    """An iteration is `critic_steps` steps of the energy and one of the sampler."""

    Settings: ClassVar[type[TrainerSettings]] = EVaLPSettings
    settings: EVaLPSettings
    betas = (0.5, 0.999)

    def _make_players(self) -> Players:
        s = self.settings
        self.energy = EnergyNetwork(s.latent_dim, hidden_units=s.energy_units).to(self.device)
        self.flow = FlowSampler(s, device=self.device)
        trained = {"sampler": self.flow.trained, "energy": self.energy}
        return Players(trained, self._make_prior(), self.flow.average)

    def _make_prior(self) -> Prior:
        s = self.settings
        if s.sampling == "flow":
            return self.flow.averaged
        energy_only = s.sampling == "sir_energy_only"
        return EnergyPrior(
            self.energy,
            base=self.stage_1.base,
            proposal=self.flow.averaged,
            temperature=1.0 if energy_only else s.kl_weight,
            num_proposals=s.proposals or 1,
            weights="energy_only" if energy_only else "exact",
            langevin_steps=s.langevin_steps or 0,
            langevin_step_size=s.langevin_step_size or 0.0,
        )

    def _step(self) -> dict[str, Tensor]:
        for batch in self._critic_batches():
            with span("critic steps"):
                terms = self._critic_step(*batch)
        with span("sampler step"):
            terms |= self._sampler_step()
        self.flow.follow()
        return {name: value.detach() for name, value in terms.items()}

    @torch.no_grad()
    def _critic_batches(self) -> Iterable[tuple[Tensor, ...]]:
        """Posterior samples, the sampler's points and points between them, for each critic step.

        All are drawn at once: the sampler stays as it is meanwhile.
        """
        s = self.settings
        n = s.critic_steps * s.batch_size
        positive = self._posterior_batch(n)
        with span("critic steps"):
            negative = self.flow.trained.sample(n, self.streams["noise"])
            share = torch.rand(n, 1, generator=self.streams["noise"], device=self.device)
            between = on_segments(positive, negative, share)
        return zip(*(x.split(s.batch_size) for x in (positive, negative, between)), strict=True)

    def _critic_step(
        self, positive: Tensor, negative: Tensor, between: Tensor
    ) -> dict[str, Tensor]:
        s = self.settings
        f_positive, f_negative = self.energy(torch.cat([positive, negative])).chunk(2)
        loss = critic_loss(
            f_positive,
            f_negative,
            self.energy.slopes(between),
            penalty_weight=s.penalty_weight,
            one_sided=s.one_sided_penalty,
        )
        descend(self.optimisers["energy"], loss.total)
        return {"gap": loss.gap, "penalty": loss.penalty}

    def _sampler_step(self) -> dict[str, Tensor]:
        s = self.settings
        z, log_density = self.flow.trained.sample_with_density(s.batch_size, self.streams["noise"])
        loss = sampler_loss(
            self.energy(z), log_density, self.stage_1.base.log_prob(z), kl_weight=s.kl_weight
        )
        descend(self.optimisers["sampler"], loss.total)
        return {"energy": loss.energy, "kl": loss.kl}
