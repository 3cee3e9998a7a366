"""EVaLP: an energy and a flow that learns to sample it, in turn."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from introsearch.losses.evalp import critic_loss, on_segments, sampler_loss
from introsearch.nets.energy import EnergyNetwork
from introsearch.priors.base import Prior
from introsearch.priors.energy import EnergyPrior
from introsearch.training.latent_flow import LatentFlow
from introsearch.training.latent_settings import EVaLPSettings
from introsearch.training.settings import TrainerSettings
from introsearch.training.spans import span
from introsearch.training.stepwise import descend


class EVaLP(LatentFlow):
    """An iteration is `critic_steps` steps of the energy and one of the sampler."""

    Settings: ClassVar[type[TrainerSettings]] = EVaLPSettings
    settings: EVaLPSettings
    betas = (0.5, 0.999)

    def _make_players(self) -> dict[str, nn.Module]:
        s = self.settings
        self.energy = EnergyNetwork(s.latent_dim, hidden_units=s.energy_units)
        return {**super()._make_players(), "energy": self.energy}

    def _make_prior(self) -> Prior:
        s, averaged = self.settings, super()._make_prior()
        if s.sampling == "flow":
            return averaged
        energy_only = s.sampling == "sir_energy_only"
        return EnergyPrior(
            self.energy,
            base=self.base,
            proposal=averaged,
            temperature=1.0 if energy_only else s.kl_weight,
            num_proposals=s.proposals or 1,
            weights="energy_only" if energy_only else "exact",
            langevin_steps=s.langevin_steps or 0,
            langevin_step_size=s.langevin_step_size or 0.0,
        )

    def _step(self) -> dict[str, Tensor]:
        with span("critic steps"):
            for _ in range(self.settings.critic_steps):
                terms = self._critic_step()
        with span("sampler step"):
            terms |= self._sampler_step()
        with span("averages"):
            self.average.update({"sampler": self.sampler})
        return {name: value.detach() for name, value in terms.items()}

    def _critic_step(self) -> dict[str, Tensor]:
        s = self.settings
        positive = self._posterior_batch(s.batch_size)
        with torch.no_grad():
            negative = self.sampler.sample(s.batch_size, self.streams["noise"])
        share = torch.rand(s.batch_size, 1, generator=self.streams["noise"], device=self.device)
        between = on_segments(positive, negative, share).requires_grad_()
        # One pass for all three; only the points between need a second derivative.
        f = self.energy(torch.cat([positive, negative, between]))
        f_positive, f_negative, f_between = f.chunk(3)
        (slopes,) = torch.autograd.grad(f_between.sum(), between, create_graph=True)
        loss = critic_loss(
            f_positive,
            f_negative,
            slopes,
            penalty_weight=s.penalty_weight,
            one_sided=s.one_sided_penalty,
        )
        descend(self.optimisers["energy"], loss.total)
        return {"gap": loss.gap, "penalty": loss.penalty}

    def _sampler_step(self) -> dict[str, Tensor]:
        s = self.settings
        z, log_density = self.sampler.sample_with_density(s.batch_size, self.streams["noise"])
        loss = sampler_loss(
            self.energy(z), log_density, self.base.log_prob(z), kl_weight=s.kl_weight
        )
        descend(self.optimisers["sampler"], loss.total)
        return {"energy": loss.energy, "kl": loss.kl}
