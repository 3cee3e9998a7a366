"""The energy network f(z) of an energy-based prior; also the logit of a classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NEGATIVE_SLOPE = 0.01


class EnergyNetwork(nn.Module):
    """A multi-layer perceptron with two hidden layers and one output.

    Activations work in place: nothing else wants what they change.

    Args:
        latent_dim: L.
        hidden_units: width of the hidden layers.
    """

    def __init__(self, latent_dim: int, *, hidden_units: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden_units),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Linear(hidden_units, hidden_units),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Linear(hidden_units, 1),
        )

    def forward(self, z: Tensor) -> Tensor:
        """z [..., L] -> f(z) [...]."""
        f: Tensor = self.net(z).squeeze(-1)
        return f

    def slopes(self, z: Tensor) -> Tensor:
        """grad f, [N, L], at points [N, L]; its own derivatives are those in the weights alone.

        Activations are linear in pieces, so that there are no others. Written out, it takes less
        than differentiating `forward` twice.
        """
        first, second, last = (layer for layer in self.net if isinstance(layer, nn.Linear))
        with torch.no_grad():
            h_1 = functional.leaky_relu_(first(z), NEGATIVE_SLOPE)
            rise_1, rise_2 = _rise(h_1), _rise(second(h_1))
        slopes: Tensor = ((last.weight * rise_2) @ second.weight * rise_1) @ first.weight
        return slopes


def _rise(h: Tensor) -> Tensor:
    """Derivative of the leaky ReLU, by the sign of what goes in or comes out."""
    return (h > 0).to(h.dtype).mul_(1 - NEGATIVE_SLOPE).add_(NEGATIVE_SLOPE)
