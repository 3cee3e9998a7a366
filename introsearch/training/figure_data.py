"""What a trainer hands out for drawing: plain arrays, so that drawing needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy import float32, float64, int64
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


@dataclass(frozen=True, kw_only=True)
class ImageFigure:
    """A trained model of images, as in the supplementary figures of the prior-learning paper.

    Images are [N, H, W, C] in [0, 1], C being 1 or 3.

    Attributes:
        samples: decoded prior samples.
        originals: test images.
        reconstructions: of `originals`, decoded from posterior means.
        components: the prior's means decoded, heaviest first; at most a hundred.
        latents: [N, 2] one posterior sample per test image, first two latent dimensions.
        labels: [N] of the test images.
        component_means: [K, 2] of the prior.
        component_weights: [K], summing to one.
        aggregate: [N, 2] the posterior samples in all dimensions, embedded by t-SNE.
        prior_latents: [M, 2] prior samples, first two latent dimensions; none of a prior that is
            made of components, which say as much.
    """

    samples: Array
    originals: Array
    reconstructions: Array
    components: Array
    latents: Array
    labels: NDArray[int64]
    component_means: Array
    component_weights: Array
    aggregate: Array
    prior_latents: Array


@dataclass(frozen=True, kw_only=True)
class CollapseFigure:
    """What became of the latent modes of a shallow VAE, and what it makes of images.

    Attributes:
        latents: ``z``, or ``z1`` and ``z2``.
        kl: [L] of each mode, sorted, largest first, for each latent, nats.
        predicted_kl: the same at the optimum of the linear model.
        collapse_levels: [L] the epsilon from which on each mode of z (of z2) has collapsed,
            ascending, nats.
        delta: share of the data that it allows to lie beyond.
        pictures: images [N, H, W, C] in [0, 1], a list for each row of pictures by what it shows;
            empty if the data are no images.
    """

    latents: tuple[str, ...]
    kl: tuple[NDArray[float64], ...]
    predicted_kl: tuple[NDArray[float64], ...]
    collapse_levels: NDArray[float64]
    delta: float
    pictures: dict[str, Array]


Figure: TypeAlias = TrialFigure | ImageFigure | CollapseFigure
