"""The energy-based prior exp(-f(z) / w) p_0(z) / Z, sampled with the help of a proposal."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor

from introsearch.nets.blocks import block_rows
from introsearch.nets.energy import EnergyNetwork
from introsearch.priors.base import Prior
from introsearch.priors.flow import FlowPrior
from introsearch.priors.resampling import Resampled, resample

NORMALISER_DRAWS = 50_000
_NORMALISER_SEED = 0
LANGEVIN_WIDTH = 128  # of a usual energy: as many points walk together as then stay in cache

Weights = Literal["exact", "energy_only"]


class EnergyPrior(Prior):
    """An energy relative to a base density, drawn from by SIR or by Langevin dynamics.

    Args:
        energy: f.
        base: p_0.
        proposal: where SIR's proposals come from, and where log Z is estimated with: the base, or
            a flow that is close to the target.
        temperature: w, the weight of the KL divergence that the energy was trained with: the
            density that f stands for is exp(-f / w) p_0.
        num_proposals: K of SIR.
        weights: ``exact``: log weights -f/w + log p_0 - log p_proposal, whose target is the
            energy's own density. ``energy_only``: -f/w, whose target is exp(-f/w) p_proposal.
        langevin_steps: steps of Langevin dynamics, started from the base, instead of SIR; 0 is SIR.
        langevin_step_size: their step size.
    """

    dear_density = True

    def __init__(
        self,
        energy: EnergyNetwork,
        *,
        base: Prior,
        proposal: Prior,
        temperature: float,
        num_proposals: int,
        weights: Weights = "exact",
        langevin_steps: int = 0,
        langevin_step_size: float = 0.01,
    ) -> None:
        super().__init__()
        self.energy, self.base, self.proposal = energy, base, proposal
        self.temperature, self.num_proposals, self.weights = temperature, num_proposals, weights
        self.langevin_steps, self.langevin_step_size = langevin_steps, langevin_step_size
        self._normaliser: tuple[Tensor, Tensor] | None = None  # weights, and log Z with them

    def log_prob(self, z: Tensor, *, frozen: bool = False) -> Tensor:
        prior = copy.deepcopy(self).requires_grad_(False) if frozen else self
        return prior._unnormalised(z) - self.log_normaliser()

    @torch.no_grad()
    def log_normaliser(self) -> Tensor:
        """log Z by importance sampling from the proposal, with the same draws at every call.

        It is kept until a weight of the energy, the base or the proposal changes.
        """
        weights = torch.cat([x.flatten() for x in (*self.parameters(), *self.buffers())])
        if self._normaliser is None or not _same(self._normaliser[0], weights):
            self._normaliser = weights, self._estimated_normaliser(weights.device)
        return self._normaliser[1]

    def _estimated_normaliser(self, device: torch.device) -> Tensor:
        stream = torch.Generator(device=device).manual_seed(_NORMALISER_SEED)
        z, log_q = self._propose(NORMALISER_DRAWS, stream)
        log_weight = self._unnormalised(z) - log_q
        return log_weight.logsumexp(dim=0) - math.log(NORMALISER_DRAWS)

    def sample(self, n: int, generator: Generator) -> Tensor:
        if self.langevin_steps:
            rows = block_rows(LANGEVIN_WIDTH, generator.device)
            blocks = [self._langevin(min(rows, n - i), generator) for i in range(0, n, rows)]
            return torch.cat(blocks)
        return self.resampled(n, generator).z

    def resampled(self, n: int, generator: Generator) -> Resampled:
        """SIR's points and the effective sample sizes that they rest on."""

        def propose(m: int) -> tuple[Tensor, Tensor]:
            z, log_q = self._propose(m, generator)
            return z, self._unnormalised(z) - log_q

        return resample(propose, n, num_proposals=self.num_proposals, generator=generator)

    def _unnormalised(self, z: Tensor) -> Tensor:
        reference = self.base if self.weights == "exact" else self.proposal
        return reference.log_prob(z) - self.energy(z) / self.temperature

    def _propose(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        if isinstance(self.proposal, FlowPrior):
            return self.proposal.sample_with_density(n, generator)
        z = self.proposal.sample(n, generator)
        return z, self.proposal.log_prob(z)

    def _langevin(self, n: int, generator: Generator) -> Tensor:
        z = self.base.sample(n, generator).detach()
        return langevin(
            self._unnormalised,
            z,
            num_steps=self.langevin_steps,
            step_size=self.langevin_step_size,
            generator=generator,
        )


def _same(a: Tensor, b: Tensor) -> bool:
    return a.device == b.device and a.dtype == b.dtype and torch.equal(a, b)


def langevin(
    log_density: Callable[[Tensor], Tensor],
    z: Tensor,
    *,
    num_steps: int,
    step_size: float,
    generator: Generator,
) -> Tensor:
    """Unadjusted Langevin dynamics: z <- z + step/2 grad log p(z) + sqrt(step) noise."""
    for _ in range(num_steps):
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_density(z).sum(), z)
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        z = z.detach() + 0.5 * step_size * slope + math.sqrt(step_size) * noise
    return z
