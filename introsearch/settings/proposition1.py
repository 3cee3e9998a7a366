"""Settings of the check of Proposition 1."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

from introsearch.data.catalog import IMAGE_SETS
from introsearch.errors import ConfigError
from introsearch.settings.fields import (
    bounded,
    registered,
)
from introsearch.settings.vae import VAESettings


@dataclass(frozen=True, kw_only=True)
class Proposition1Settings(VAESettings):
    """A VAE, whose encoder alone is then over-fitted to a fixed real and a fixed fake set.

    Attributes:
        iterations: training iterations altogether, those of stage 1 included.
        beta_neg: weight of kl on fake images in the encoder's adversarial term (as for
            ``sintrovae``).
        alpha: exponent scale of the adversarial term.
        warmup_iterations: length of stage 1, plain VAE training (20 epochs).
        warmup_epochs: the same in epochs, instead of iterations.
        real_images: size of the real set: the first train image of each of that many classes.
        fake_images: size of the fake set, likewise.
    """

    prior: str = registered("gaussian", kind="prior", only=("gaussian", "mog"))
    beta_neg: float = bounded(None, low=0.0)
    alpha: float = bounded(2.0, above=0.0)
    warmup_iterations: int = bounded(None, low=0)
    warmup_epochs: int | None = bounded(None, low=0)
    real_images: int = bounded(10, low=1)
    fake_images: int = bounded(10, low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels is None:
            raise ConfigError(
                f"is for images, and {self.dataset} has none",
                key="dataset",
                hint="e.g. dataset: digits",
            )
        known = IMAGE_SETS.get(self.dataset)
        for name in ("real_images", "fake_images"):
            if known is not None and getattr(self, name) > known.classes:
                raise ConfigError(
                    f"{getattr(self, name)} is more than the {known.classes} classes of "
                    f"{self.dataset}, of each of which one image is taken",
                    key=name,
                )
        self._fill("beta_neg", self.protocol.beta_neg)
        self._resolve_length("warmup_iterations", "warmup_epochs", self.protocol.warmup)
        if self.warmup_iterations > self.iterations:
            raise ConfigError(
                f"{self.warmup_iterations} is longer than iterations: {self.iterations}",
                key="warmup_iterations",
            )

    @property
    def warmup_end(self) -> int:
        return self.warmup_iterations

    def shortened(self, iterations: int) -> Self:
        half = iterations // 2 if self.warmup_iterations else 0
        return dataclasses.replace(self, iterations=iterations, warmup_iterations=half)
