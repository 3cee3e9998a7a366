"""Settings of the trainers that posterior collapse is studied with. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from introsearch.data.catalog import IMAGE_SETS
from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.base import TrainerSettings
from introsearch.settings.fields import bounded, choice, registered
from introsearch.settings.images import check_halvings

_BATCH_SIZE, _HIDDEN_UNITS, _SAMPLES, _DIMS = 128, 64, 1_000, 16
_IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "svhn")


@dataclass(frozen=True, kw_only=True)
class CollapseSettings(TrainerSettings):
    """Shallow VAEs whose posterior collapse is predicted in closed form (Dang et al., ICLR 2024).

    Minimises squared error / (2 eta_dec^2) + beta KL per data point, by Adam with a learning rate
    that falls to zero along a cosine, in double precision.

    Attributes:
        iterations: training iterations altogether.
        dataset: whose train images, as numbers from 0 to 1, are the data (digits).
        train_images: how many images of the train split to use, the first ones (all).
        label: only images with this label (all).
        latent_dim: dimensions of each latent.
        activation: ``linear`` has no biases, as in the theory; ``relu`` has a hidden layer in each
            map, or convolutions.
        hidden_units: of the hidden layers of ``activation: relu`` (64).
        channels: feature maps of convolutions between images and the first latent, in place of
            hidden layers there, with ``activation: relu``; they halve an image once per entry.
        variance: of a posterior that is not fixed. ``learnt`` is one per dimension for all data;
            ``amortised``, for ``activation: relu``, comes from the encoder, for each data point.
        expectation: ``exact`` is over all data and noise at once, for linear maps; ``sampled``
            draws batches and one noise each; ``auto`` is exact where it can be.
        batch_size: data points of an iteration, of ``expectation: sampled`` (128).
        eta_dec: standard deviation of the decoder's Gaussian, in units of the data.
        eta_enc: standard deviation of the prior.
        learning_rate: Adam's, at the start.
    """

    iterations: int = bounded(4_000, low=1)
    dataset: str | None = registered(None, kind="dataset", only=_IMAGES)
    train_images: int | None = bounded(None, low=2)
    label: int | None = bounded(None, low=0)
    latent_dim: int = bounded(10, low=1)
    activation: str = choice("linear", legal=("linear", "relu"))
    hidden_units: int | None = bounded(None, low=1)
    channels: tuple[int, ...] | None = bounded(None, low=1)
    variance: str = choice("learnt", legal=("learnt", "amortised"), implied=True)
    expectation: str = choice("auto", legal=("auto", "exact", "sampled"))
    batch_size: int | None = bounded(None, low=1)
    eta_dec: float = bounded(1.0, above=0.0)
    eta_enc: float = bounded(1.0, above=0.0)
    learning_rate: float = bounded(0.01, above=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        is_linear = self.activation == "linear"
        if self.expectation == "exact" and not is_linear:
            raise ConfigError(
                "there is no exact expectation for activation: relu",
                key="expectation",
                hint="use sampled or auto",
            )
        if self.expectation == "auto":
            object.__setattr__(self, "expectation", "exact" if is_linear else "sampled")
        self._check_variance()
        self._fill_widths()
        exact = self.expectation == "exact"
        self._fill("batch_size", _BATCH_SIZE, unless=exact, why="expectation: exact")
        self._fill_dataset()

    def _check_variance(self) -> None:
        if self.variance == "learnt":
            return
        fault = ""
        if self.activation == "linear":
            fault = "is not for activation: linear, whose best variances do not depend on the data"
        elif None not in self.sigmas:
            given = " and ".join(n for n in ("sigma", "sigma1", "sigma2") if hasattr(self, n))
            fault = f"means nothing with {given}, which fix the variances"
        if fault:
            raise ConfigError(f"amortised {fault}", key="variance", hint="leave it out")

    def _fill_widths(self) -> None:
        is_linear, levels = self.activation == "linear", len(self.sigmas)
        if is_linear:
            self._fill("channels", None, unless=True, why="activation: linear")
        without = "activation: linear" if is_linear else "channels, which leave no hidden layer"
        unless = is_linear or (self.channels is not None and levels == 1)
        self._fill("hidden_units", _HIDDEN_UNITS, unless=unless, why=without)

    @property
    def sigmas(self) -> tuple[float | None, ...]:
        """Fixed standard deviation of each latent's posterior; None where it is not fixed."""
        return (None,)

    def _fill_dataset(self) -> None:
        self._fill("dataset", "digits")
        assert self.dataset is not None
        if data_kind(self.dataset) != "images":
            raise ConfigError(f"{self.dataset} does not consist of images", key="dataset")
        known = IMAGE_SETS.get(self.dataset)
        if self.channels is not None:
            check_halvings(self.channels, size=None if known is None else known.size)
        if known is not None and self.label is not None and self.label >= known.classes:
            raise ConfigError(
                f"{self.dataset} has no label {self.label}",
                key="label",
                hint=f"0 to {known.classes - 1}",
            )

    def _fill(self, name: str, default: Any, *, unless: bool = False, why: str = "") -> None:
        """Set a value that is not given, or refuse a given one that means nothing."""
        given = getattr(self, name) is not None
        if given and unless:
            raise ConfigError(f"means nothing with {why}", key=name, hint="leave it out")
        if not given and not unless:
            object.__setattr__(self, name, default)


@dataclass(frozen=True, kw_only=True)
class CollapseVAESettings(CollapseSettings):
    """A VAE with one latent.

    Attributes:
        beta: weight of the KL.
        sigma: fixed posterior standard deviation (not fixed: ``variance``).
    """

    beta: float = bounded(1.0, above=0.0)
    sigma: float | None = bounded(None, above=0.0)

    @property
    def sigmas(self) -> tuple[float | None, ...]:
        return (self.sigma,)


@dataclass(frozen=True, kw_only=True)
class CollapseCVAESettings(CollapseVAESettings):
    """A VAE given a condition.

    Attributes:
        condition: ``quadrant`` is the bottom left one of images, the data being the rest; ``label``
            is the label of images, a dimension each (quadrant).
        rho: correlation of made-up standard normal data y and condition
            x = rho y + sqrt(1 - rho^2) n, in place of a data set.
        samples: of the made-up data (1,000).
        dims: of the made-up data, and of their condition (16).
    """

    condition: str | None = choice(None, legal=("quadrant", "label"))
    rho: float | None = bounded(None, low=-1.0)
    samples: int | None = bounded(None, low=2)
    dims: int | None = bounded(None, low=1)

    def _fill_dataset(self) -> None:
        if self.rho is not None and self.rho > 1:
            raise ConfigError(f"must be at most 1, not {self.rho:g}", key="rho")
        made_up = self.rho is not None
        self._fill("samples", _SAMPLES, unless=not made_up, why="a data set")
        self._fill("dims", _DIMS, unless=not made_up, why="a data set")
        if not made_up:
            super()._fill_dataset()
            self._fill("condition", "quadrant")
            if self.condition == "label" and self.label is not None:
                raise ConfigError(
                    "tells nothing where all images have one label",
                    key="condition",
                    hint="leave out label, or set condition: quadrant",
                )
            return
        for name in ("dataset", "train_images", "label", "channels", "condition"):
            self._fill(name, None, unless=True, why="rho, which makes the data up")


@dataclass(frozen=True, kw_only=True)
class CollapseHVAESettings(CollapseSettings):
    """A hierarchical VAE with two latents, x <- z1 <- z2, encoded from x to z1 to z2.

    Attributes:
        beta1: weight of the KL of z1 given z2.
        beta2: weight of the KL of z2.
        sigma1: fixed standard deviation of q(z1|x) (not fixed: ``variance``).
        sigma2: fixed standard deviation of q(z2|z1) (not fixed: ``variance``).
    """

    beta1: float = bounded(1.0, above=0.0)
    beta2: float = bounded(1.0, above=0.0)
    sigma1: float | None = bounded(None, above=0.0)
    sigma2: float | None = bounded(None, above=0.0)

    @property
    def sigmas(self) -> tuple[float | None, ...]:
        return self.sigma1, self.sigma2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma1 is None and self.sigma2 is None and self.beta2 <= self.beta1:
            fault = (
                "equal to beta1, the minimum is flat: whether z2 collapses is left to chance"
                if self.beta2 == self.beta1
                else f"below beta1: {self.beta1:g}, the loss has no minimum"
            )
            raise ConfigError(
                f"with both variances learnt and beta2: {self.beta2:g} {fault}",
                key="beta2",
                hint="fix a variance by sigma1 or sigma2, or set beta2 above beta1",
            )
