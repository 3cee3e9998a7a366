"""What a trainer hands out for drawing: plain arrays, so that drawing needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy import float32
from numpy.typing import NDArray

Array = NDArray[float32]


@dataclass(frozen=True, kw_only=True)
class TrialFigure:
    """A trained 2D model as in Figure 3 of the prior-learning paper.

    Attributes:
        real: [N, 2] data points.
        samples: [N, 2] decoded prior samples.
        density: [G, G] exp of the ELBO over the window; row y, column x.
        half_width: the window is [-half_width, half_width]^2.
        latents: [N, 2] one posterior sample per data point, first two latent dimensions.
        component_means: [K, 2] of the prior.
        component_stds: [K, 2] of the prior, soft clipping applied.
        component_weights: [K], summing to one.
    """

    real: Array
    samples: Array
    density: Array
    half_width: float
    latents: Array
    component_means: Array
    component_stds: Array
    component_weights: Array

    def arrays(self) -> dict[str, Any]:
        """All fields by name, for saving with ``numpy.savez``."""
        return dict(vars(self))
