"""Settings of the check of Proposition 1."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field

from introsearch.data.catalog import IMAGE_SETS
from introsearch.errors import ConfigError
from introsearch.settings.model import Number, Whole, registered
from introsearch.settings.vae import VAESettings, fill_in, protocol_for, resolve_length


class Proposition1Settings(VAESettings):
    """A VAE, whose encoder alone is then over-fitted to a fixed real and a fixed fake set."""

    class Written(VAESettings.Written):
        """Lengths in epochs."""

        warmup_epochs: Whole | None = Field(
            None, ge=0, description="length of stage 1 in epochs, instead of iterations"
        )

    iterations: Whole = Field(
        ge=1, description="training iterations altogether, those of stage 1 included (220 epochs)"
    )
    prior: Annotated[str, *registered("prior", only=("gaussian", "mog"))] = Field(
        "gaussian", description="gaussian (standard) or mog, or one of your own"
    )
    beta_neg: Number = Field(
        ge=0,
        description="weight of kl on fake images in the encoder's adversarial term (as for "
        "sintrovae)",
    )
    alpha: Number = Field(2.0, gt=0, description="exponent scale of the adversarial term")
    warmup_iterations: Whole = Field(
        ge=0, description="length of stage 1, plain VAE training (20 epochs)"
    )
    real_images: Whole = Field(
        10,
        ge=1,
        description="size of the real set: the first train image of each of that many classes",
    )
    fake_images: Whole = Field(10, ge=1, description="size of the fake set, likewise")

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        if written["channels"] is None:
            raise ConfigError(
                f"is for images, and {written['dataset']} has none",
                key="dataset",
                hint="e.g. dataset: digits",
            )
        of_data = protocol_for(written)
        fill_in(written, {"beta_neg": of_data.beta_neg})
        return resolve_length(written, "warmup_iterations", "warmup_epochs", default=of_data.warmup)

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        known = IMAGE_SETS.get(self.dataset)
        for name in ("real_images", "fake_images"):
            if known is not None and getattr(self, name) > known.classes:
                yield ConfigError(
                    f"{getattr(self, name)} is more than the {known.classes} classes of "
                    f"{self.dataset}, of each of which one image is taken",
                    key=name,
                )
        if self.warmup_iterations > self.iterations:
            yield ConfigError(
                f"{self.warmup_iterations} is longer than iterations: {self.iterations}",
                key="warmup_iterations",
            )

    @property
    def warmup_end(self) -> int:
        return self.warmup_iterations

    def shortened(self, iterations: int) -> Self:
        half = iterations // 2 if self.warmup_iterations else 0
        return self.changed(iterations=iterations, warmup_iterations=half)
