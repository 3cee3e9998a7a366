"""The energy network f(z) of an energy-based prior; also the logit of a classifier."""

from __future__ import annotations

from torch import Tensor, nn

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
