"""What a metric may look at."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from introsearch.data.toy import ToyData
from introsearch.priors.base import Prior


class ModelView(NamedTuple):
    """A model as it is now. A metric reads it, without gradients, and changes nothing."""

    dataset: ToyData
    encoder: nn.Module
    decoder: nn.Module
    prior: Prior
