"""Settings of Soft-IntroVAE with a learned prior."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

from introsearch.errors import ConfigError
from introsearch.extensions import is_path, load, resolve
from introsearch.settings.fields import (
    bounded,
    registered,
)
from introsearch.settings.vae import VAESettings


@dataclass(frozen=True, kw_only=True)
class SIntroVAESettings(VAESettings):
    """Soft-IntroVAE with the prior as third player: all columns of Table 1 but the plain VAE.

    A ``mog`` prior is warmed up as a VampPrior and handed over into a mixture
    `handover_iterations` before the end of warm-up.

    Attributes:
        beta_neg: weight of kl on generated data in the encoder's adversarial term (1 for points,
            128 for mnist, 10 for digits, 256 for other images).
        r_entropy: weight of the responsibilities' normalised entropy on the encoder's loss.
        intro_prior: train the prior in stage 2 as well (IP).
        warmup_iterations: length of stage 1, plain VAE training (2,000 for points, 20 epochs for
            images).
        warmup_epochs: the same in epochs of images, instead of iterations.
        handover_iterations: how long before the end of stage 1 the VampPrior is frozen into a MoG
            (100 for points, 5 epochs for images).
        handover_epochs: the same in epochs of images, instead of iterations.
        alpha: exponent scale of the adversarial terms.
        gamma: weight of the decoder's adversarial term.
        gamma_r: weight, within it, of the reconstruction of generated data. Below 1e-7 in product
            with `gamma`, as in the paper, the term is skipped: float32 weights hardly feel it.
        clip_sharpness: K of the prior's adaptive log-variance soft clipping (eqs. 10, 92-97); 10
            keeps 86 % of the warm-up's range (eq. 96 asks for 85 %), 0 turns clipping off.
        average_decay: of the exponential moving average of the weights in stage 2, which training
            never uses: early termination may compare by it.
    """

    prior: str = registered("gaussian", kind="prior", only=("gaussian", "mog"))
    beta_neg: float = bounded(None, low=0.0)
    r_entropy: float = bounded(0.0, low=0.0)
    intro_prior: bool = False
    warmup_iterations: int = bounded(None, low=0)
    warmup_epochs: int | None = bounded(None, low=0)
    handover_iterations: int = bounded(None, low=0)
    handover_epochs: int | None = bounded(None, low=0)
    alpha: float = bounded(2.0, above=0.0)
    gamma: float = bounded(1.0, low=0.0)
    gamma_r: float = bounded(1e-8, low=0.0)
    clip_sharpness: float = bounded(10.0, low=0.0)
    average_decay: float = bounded(0.999, low=0.0, below=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._fill("beta_neg", self.protocol.beta_neg)
        self._resolve_length("warmup_iterations", "warmup_epochs", self.protocol.warmup)
        self._resolve_length("handover_iterations", "handover_epochs", self.protocol.handover)
        if self.intro_prior and self.prior == "gaussian":
            raise ConfigError(
                "an introspective prior needs a prior with parameters, not a gaussian one",
                key="intro_prior",
                hint="set prior: mog, or intro_prior: false",
            )
        if self.r_entropy > 0 and self.components == 1:
            raise ConfigError(
                "one component has no responsibilities to regularise",
                key="r_entropy",
                hint="set prior: mog with components of at least 2",
            )
        if self.r_entropy > 0 and not self._prior_is_mixture():
            raise ConfigError(
                f"{self.prior} is no mixture, whose responsibilities could be regularised",
                key="r_entropy",
                hint="derive it from introsearch.priors.base:MixturePrior, or set prior: mog",
            )
        if self.handover_iterations > self.warmup_iterations and self.prior == "mog":
            raise ConfigError(
                f"{self.handover_iterations} is longer than the warm-up of "
                f"{self.warmup_iterations} iterations",
                key="handover_iterations",
            )
        if self.warmup_iterations > self.iterations:
            raise ConfigError(
                f"{self.warmup_iterations} is longer than iterations: {self.iterations}",
                key="warmup_iterations",
            )

    def _prior_is_mixture(self) -> bool:
        if not is_path(self.prior):
            return True
        return issubclass(
            resolve("prior", self.prior), load("introsearch.priors.base:MixturePrior")
        )

    @property
    def warmup_end(self) -> int:
        return self.warmup_iterations

    def shortened(self, iterations: int) -> Self:
        half = iterations // 2 if self.warmup_iterations else 0
        return dataclasses.replace(
            self,
            iterations=iterations,
            warmup_iterations=half,
            handover_iterations=min(self.handover_iterations, 1, half),
        )
