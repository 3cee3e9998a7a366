"""The VampPrior: the mixture of the encoder's posteriors at learned pseudo-inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from introsearch.priors.base import Components, MixturePrior, PriorContext


class VampPrior(MixturePrior):
    """sum_k w_k q(z|u_k) with pseudo-inputs u_k (Tomczak and Welling 2018).

    Args:
        pseudo_inputs: [K, ...] initial pseudo-inputs, in data space.
        encode: the encoder, from inputs to (mu, logvar); it stays the encoder's, so its
            parameters are not this module's.
        learnable_contributions: train the weights; otherwise they stay uniform.
        data_range: what pseudo-inputs are confined to, if to anything.
        moves_bounds: pseudo-inputs at exactly a bound have a gradient, which the published code's
            hardtanh does not give them.
    """

    def __init__(
        self,
        pseudo_inputs: Tensor,
        encode: Callable[[Tensor], tuple[Tensor, Tensor]],
        *,
        learnable_contributions: bool,
        data_range: tuple[float, float] | None = None,
        moves_bounds: bool = False,
    ) -> None:
        super().__init__()
        self.data_range = data_range
        self.moves_bounds = moves_bounds
        k = len(pseudo_inputs)
        self.pseudo_inputs = nn.Parameter(pseudo_inputs.detach().clone())
        self.logits = nn.Parameter(
            torch.full((k,), -math.log(k), dtype=pseudo_inputs.dtype, device=pseudo_inputs.device),
            requires_grad=learnable_contributions,
        )
        # In a tuple, so that nn.Module does not register the encoder as a child.
        self._encode = (encode,)

    @classmethod
    def create(cls, context: PriorContext) -> Self:
        return cls(
            context.data,
            context.encode,
            learnable_contributions=context.learnable_contributions,
            data_range=context.data_range,
            moves_bounds=context.moves_bounds,
        )

    def components(self) -> Components:
        inputs: Tensor = self.pseudo_inputs
        if self.data_range is not None:
            confined = torch.clamp if self.moves_bounds else functional.hardtanh
            inputs = confined(inputs, *self.data_range)
        mu, logvar = self._encode[0](inputs)
        return Components(mu, logvar, self.logits.log_softmax(dim=0))
