"""The mixture of diagonal Gaussians: the learnable prior of the introspective stage."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from introsearch.priors.base import Components, MixturePrior, PriorContext
from introsearch.priors.soft_clip import soft_clip


class MixtureOfGaussians(MixturePrior):
    """sum_k w_k N(mu_k, diag exp f(logvar_k)), f the adaptive soft clipping once it is set.

    Args:
        parts: initial means, log-variances and log-weights, copied as they are.
        learnable_contributions: train the weights; otherwise they keep their initial values.
        clip_sharpness: K of the soft clipping; 0 leaves log-variances as they are.
    """

    def __init__(
        self, parts: Components, *, learnable_contributions: bool, clip_sharpness: float = 0.0
    ) -> None:
        super().__init__()
        parts = parts.detach()
        self.clip_sharpness = clip_sharpness
        self.mu = nn.Parameter(parts.mu.clone())
        self.logvar = nn.Parameter(parts.logvar.clone())
        self.logits = nn.Parameter(parts.log_weights.clone(), requires_grad=learnable_contributions)
        self.clip_low: Tensor
        self.clip_high: Tensor
        self.register_buffer("clip_low", parts.logvar.amin(dim=0))
        self.register_buffer("clip_high", parts.logvar.amax(dim=0))
        self.is_clipping = False

    @classmethod
    def create(cls, context: PriorContext) -> Self:
        """Unit variances around standard normal means, equally likely."""
        g, shape = context.generator, (context.components, context.latent_dim)
        mu = torch.randn(shape, generator=g, device=g.device)
        log_weights = torch.full(shape[:1], 1 / context.components, device=g.device).log()
        return cls(
            Components(mu, torch.zeros_like(mu), log_weights),
            learnable_contributions=context.learnable_contributions,
        )

    @torch.no_grad()
    def start_clipping(self) -> None:
        """Take the present range of log-variances, per dimension, as the clipping range."""
        self.clip_low.copy_(self.logvar.amin(dim=0))
        self.clip_high.copy_(self.logvar.amax(dim=0))
        self.is_clipping = self.clip_sharpness > 0

    def components(self) -> Components:
        logvar: Tensor = self.logvar
        if self.is_clipping:
            logvar = soft_clip(logvar, self.clip_low, self.clip_high, sharpness=self.clip_sharpness)
        return Components(self.mu, logvar, self.logits.log_softmax(dim=0))

    def get_extra_state(self) -> dict[str, bool]:
        return {"is_clipping": self.is_clipping}

    def set_extra_state(self, state: dict[str, bool]) -> None:
        self.is_clipping = state["is_clipping"]
