"""What a metric may look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from introsearch.data.base import Data
from introsearch.priors.base import Prior


@dataclass(frozen=True)
class ModelView:
    """A model as it is now. A metric reads it, without gradients, and changes nothing.

    Attributes:
        dataset: what it was trained on.
        encoder: from data to (mu, logvar).
        decoder: from latent points to data.
        prior: over latent points.
        num_samples: images that a comparison with the train split generates.
        feature_extractor: whose features it compares, see `metrics.features`.
        batch_size: of its training.
        memo: what several metrics of one evaluation share, by whoever computed it first.
    """

    dataset: Data
    encoder: nn.Module
    decoder: nn.Module
    prior: Prior
    num_samples: int = 10_000
    feature_extractor: str = "classifier"
    batch_size: int = 128
    memo: dict[str, Any] = field(default_factory=dict)
