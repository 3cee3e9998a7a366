"""Settings of Soft-IntroVAE with a learned prior."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field

from introsearch.errors import ConfigError
from introsearch.extensions import is_path, load, resolve
from introsearch.settings.model import IMPLIED, Number, Whole, registered
from introsearch.settings.vae import VAESettings, fill_in, protocol_for, resolve_length


class SIntroVAESettings(VAESettings):
    """Soft-IntroVAE with the prior as third player: all columns of Table 1 but the plain VAE.

    A ``mog`` prior is warmed up as a VampPrior and handed over into a mixture
    `handover_iterations` before the end of warm-up.
    """

    class Written(VAESettings.Written):
        """Lengths in epochs."""

        warmup_epochs: Whole | None = Field(
            None, ge=0, description="length of stage 1 in epochs of images, instead of iterations"
        )
        handover_epochs: Whole | None = Field(
            None, ge=0, description="handover_iterations in epochs of images, instead of iterations"
        )
        detach_target: bool = Field(
            False,
            description="in the encoder's adversarial term, take the reconstruction whose own "
            "reconstruction is judged as a constant, as the paper writes it and as before version "
            "0.2. The published code does not: the same value, another gradient of the encoder",
        )

    prior: Annotated[str, *registered("prior", only=("gaussian", "mog"))] = Field(
        "gaussian", description="gaussian (standard) or mog, or one of your own"
    )
    beta_neg: Number = Field(
        ge=0,
        description="weight of kl on generated data in the encoder's adversarial term (1 for "
        "points, 128 for mnist, 10 for digits, 256 for other images)",
    )
    r_entropy: Number = Field(
        0.0,
        ge=0,
        description="weight of the responsibilities' normalised entropy on the encoder's loss",
    )
    detach_target: Annotated[bool, IMPLIED] = True
    intro_prior: bool = Field(False, description="train the prior in stage 2 as well (IP)")
    warmup_iterations: Whole = Field(
        ge=0,
        description="length of stage 1, plain VAE training (2,000 for points, 20 epochs for "
        "images)",
    )
    handover_iterations: Whole = Field(
        ge=0,
        description="how long before the end of stage 1 the VampPrior is frozen into a MoG (100 "
        "for points, 5 epochs for images)",
    )
    alpha: Number = Field(2.0, gt=0, description="exponent scale of the adversarial terms")
    gamma: Number = Field(1.0, ge=0, description="weight of the decoder's adversarial term")
    gamma_r: Number = Field(
        1e-8,
        ge=0,
        description="weight, within it, of the reconstruction of generated data. Below 1e-7 in "
        "product with gamma, as in the paper, the term is skipped: float32 weights hardly feel it",
    )
    clip_sharpness: Number = Field(
        10.0,
        ge=0,
        description="K of the prior's adaptive log-variance soft clipping (eqs. 10, 92-97); 10 "
        "keeps 86 % of the warm-up's range (eq. 96 asks for 85 %), 0 turns clipping off",
    )
    average_decay: Number = Field(
        0.999,
        ge=0,
        lt=1,
        description="of the exponential moving average of the weights in stage 2, which training "
        "never uses: early termination may compare by it",
    )

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        of_data = protocol_for(written)
        fill_in(written, {"beta_neg": of_data.beta_neg})
        for name, default in (("warmup", of_data.warmup), ("handover", of_data.handover)):
            written = resolve_length(
                written, f"{name}_iterations", f"{name}_epochs", default=default
            )
        return written

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        if self.intro_prior and self.prior == "gaussian":
            yield ConfigError(
                "an introspective prior needs a prior with parameters, not a gaussian one",
                key="intro_prior",
                hint="set prior: mog, or intro_prior: false",
            )
        if self.r_entropy > 0 and self.components == 1:
            yield ConfigError(
                "one component has no responsibilities to regularise",
                key="r_entropy",
                hint="set prior: mog with components of at least 2",
            )
        elif self.r_entropy > 0 and not self._prior_is_mixture():
            yield ConfigError(
                f"{self.prior} is no mixture, whose responsibilities could be regularised",
                key="r_entropy",
                hint="derive it from introsearch.priors.base:MixturePrior, or set prior: mog",
            )
        if self.handover_iterations > self.warmup_iterations and self.prior == "mog":
            yield ConfigError(
                f"{self.handover_iterations} is longer than the warm-up of "
                f"{self.warmup_iterations} iterations",
                key="handover_iterations",
            )
        if self.warmup_iterations > self.iterations:
            yield ConfigError(
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
        return self.changed(
            iterations=iterations,
            warmup_iterations=half,
            handover_iterations=min(self.handover_iterations, 1, half),
        )
