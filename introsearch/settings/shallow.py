"""Settings of shallow VAEs whose posterior collapse is predicted. No torch."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from introsearch.data.catalog import IMAGE_SETS
from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.base import TrainerSettings
from introsearch.settings.images import halvings_fault
from introsearch.settings.model import IMPLIED, Many, Number, Whole, registered
from introsearch.settings.vae import fill_in

_BATCH_SIZE, _HIDDEN_UNITS, _SAMPLES, _DIMS = 128, 64, 1_000, 16
_IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "svhn")


class CollapseSettings(TrainerSettings):
    """Shallow VAEs whose posterior collapse is predicted in closed form (Dang et al., ICLR 2024).

    Minimises squared error / (2 eta_dec^2) + beta KL per data point, by Adam with a learning rate
    that falls to zero along a cosine, in double precision.
    """

    _hidden_beside_channels: ClassVar[bool] = False

    class Written(TrainerSettings.Written):
        """A word for what depends on the activation."""

        expectation: Literal["auto", "exact", "sampled"] = Field(
            "auto",
            description="exact is over all data and noise at once, for linear maps; sampled draws "
            "batches and one noise each; auto is exact where it can be",
        )

    iterations: Whole = Field(4_000, ge=1, description="training iterations altogether")
    dataset: Annotated[str, *registered("dataset", only=_IMAGES)] | None = Field(
        None, description="whose train images, as numbers from 0 to 1, are the data (digits)"
    )
    train_images: Whole | None = Field(
        None, ge=2, description="how many images of the train split to use, the first ones (all)"
    )
    label: Whole | None = Field(None, ge=0, description="only images with this label (all)")
    latent_dim: Whole = Field(10, ge=1, description="dimensions of each latent")
    activation: Literal["linear", "relu"] = Field(
        "linear",
        description="linear has no biases, as in the theory; relu has a hidden layer in each map, "
        "or convolutions",
    )
    hidden_units: Whole | None = Field(
        None, ge=1, description="of the hidden layers of activation: relu (64)"
    )
    channels: Many[Annotated[Whole, Field(ge=1)]] | None = Field(
        None,
        examples=["[64, 128]"],
        description="feature maps of convolutions between images and the first latent, in place of "
        "hidden layers there, with activation: relu; they halve an image once per entry",
    )
    variance: Annotated[Literal["learnt", "amortised"], IMPLIED] = Field(
        "learnt",
        description="of a posterior that is not fixed. learnt is one per dimension for all data; "
        "amortised, for activation: relu, comes from the encoder, for each data point",
    )
    expectation: Literal["exact", "sampled"]
    batch_size: Whole | None = Field(
        None, ge=1, description="data points of an iteration, of expectation: sampled (128)"
    )
    eta_dec: Number = Field(
        1.0, gt=0, description="standard deviation of the decoder's Gaussian, in units of the data"
    )
    eta_enc: Number = Field(1.0, gt=0, description="standard deviation of the prior")
    learning_rate: Number = Field(0.01, gt=0, description="Adam's, at the start")

    @property
    def sigmas(self) -> tuple[float | None, ...]:
        """Fixed standard deviation of each latent's posterior; None where it is not fixed."""
        return (None,)

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        is_linear = written["activation"] == "linear"
        if written["expectation"] == "auto":
            written["expectation"] = "exact" if is_linear else "sampled"
        if written["expectation"] == "sampled":
            fill_in(written, {"batch_size": _BATCH_SIZE})
        if not is_linear and (written["channels"] is None or cls._hidden_beside_channels):
            fill_in(written, {"hidden_units": _HIDDEN_UNITS})
        if written.get("rho") is None:
            fill_in(written, {"dataset": "digits"})
        return written

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        is_linear = self.activation == "linear"
        if self.expectation == "exact" and not is_linear:
            yield ConfigError(
                "there is no exact expectation for activation: relu",
                key="expectation",
                hint="use sampled or auto",
            )
        if self.variance == "amortised" and (fault := self._amortised_fault()):
            yield ConfigError(f"amortised {fault}", key="variance", hint="leave it out")
        if is_linear:
            yield from self._meaningless("channels", "hidden_units", why="activation: linear")
        elif self.channels is not None and not self._hidden_beside_channels:
            yield from self._meaningless(
                "hidden_units", why="channels, which leave no hidden layer"
            )
        if self.expectation == "exact":
            yield from self._meaningless("batch_size", why="expectation: exact")
        if self.dataset is not None:
            yield from self._of_images(self.dataset)

    def _meaningless(self, *names: str, why: str) -> Iterator[ConfigError]:
        for name in names:
            if getattr(self, name) is not None:
                yield ConfigError(f"means nothing with {why}", key=name, hint="leave it out")

    def _amortised_fault(self) -> str:
        if self.activation == "linear":
            return "is not for activation: linear, whose best variances do not depend on the data"
        if None in self.sigmas:
            return ""
        given = " and ".join(n for n in ("sigma", "sigma1", "sigma2") if hasattr(self, n))
        return f"means nothing with {given}, which fix the variances"

    def _of_images(self, dataset: str) -> Iterator[ConfigError]:
        if data_kind(dataset) != "images":
            yield ConfigError(f"{dataset} does not consist of images", key="dataset")
            return
        known = IMAGE_SETS.get(dataset)
        if self.channels is not None:
            yield from halvings_fault(self.channels, size=None if known is None else known.size)
        if known is not None and self.label is not None and self.label >= known.classes:
            yield ConfigError(
                f"{dataset} has no label {self.label}",
                key="label",
                hint=f"0 to {known.classes - 1}",
            )


class CollapseVAESettings(CollapseSettings):
    """A VAE with one latent."""

    beta: Number = Field(1.0, gt=0, description="weight of the KL")
    sigma: Number | None = Field(
        None, gt=0, description="fixed posterior standard deviation (not fixed: variance)"
    )

    @property
    def sigmas(self) -> tuple[float | None, ...]:
        return (self.sigma,)


class CollapseCVAESettings(CollapseVAESettings):
    """A VAE given a condition."""

    condition: Literal["quadrant", "label"] | None = Field(
        None,
        description="quadrant is the bottom left one of images, the data being the rest; label is "
        "the label of images, a dimension each (quadrant)",
    )
    rho: Number | None = Field(
        None,
        ge=-1,
        le=1,
        description="correlation of made-up standard normal data y and condition "
        "x = rho y + sqrt(1 - rho^2) n, in place of a data set",
    )
    samples: Whole | None = Field(None, ge=2, description="of the made-up data (1,000)")
    dims: Whole | None = Field(
        None, ge=1, description="of the made-up data, and of their condition (16)"
    )

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        made_up = {"samples": _SAMPLES, "dims": _DIMS}
        fill_in(written, {"condition": "quadrant"} if written["rho"] is None else made_up)
        return written

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        if self.rho is not None:
            names = ("dataset", "train_images", "label", "channels", "condition")
            yield from self._meaningless(*names, why="rho, which makes the data up")
            return
        yield from self._meaningless("samples", "dims", why="a data set")
        if self.condition == "label" and self.label is not None:
            yield ConfigError(
                "tells nothing where all images have one label",
                key="condition",
                hint="leave out label, or set condition: quadrant",
            )


class CollapseHVAESettings(CollapseSettings):
    """A hierarchical VAE with two latents, x <- z1 <- z2, encoded from x to z1 to z2."""

    _hidden_beside_channels: ClassVar[bool] = True  # between the latents

    beta1: Number = Field(1.0, gt=0, description="weight of the KL of z1 given z2")
    beta2: Number = Field(1.0, gt=0, description="weight of the KL of z2")
    sigma1: Number | None = Field(
        None, gt=0, description="fixed standard deviation of q(z1|x) (not fixed: variance)"
    )
    sigma2: Number | None = Field(
        None, gt=0, description="fixed standard deviation of q(z2|z1) (not fixed: variance)"
    )

    @property
    def sigmas(self) -> tuple[float | None, ...]:
        return self.sigma1, self.sigma2

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        if self.sigma1 is None and self.sigma2 is None and self.beta2 <= self.beta1:
            fault = (
                "equal to beta1, the minimum is flat: whether z2 collapses is left to chance"
                if self.beta2 == self.beta1
                else f"below beta1: {self.beta1:g}, the loss has no minimum"
            )
            yield ConfigError(
                f"with both variances learnt and beta2: {self.beta2:g} {fault}",
                key="beta2",
                hint="fix a variance by sigma1 or sigma2, or set beta2 above beta1",
            )
