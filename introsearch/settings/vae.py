"""Settings of a VAE with a chosen prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.base import TrainerSettings
from introsearch.settings.fields import (
    bounded,
    choice,
    registered,
)
from introsearch.settings.hardware import HardwareSettings
from introsearch.settings.images import IMAGE_DATA, check_halvings
from introsearch.settings.protocol import (
    MAX_FID_SAMPLES,
    STRIDED_CHANNELS,
    Protocol,
    protocol_of,
)

_BY_PROTOCOL = (
    "train_images",
    "latent_dim",
    "batch_size",
    "lr_milestones",
    "hidden_units",
    "beta_rec",
)
_FOLDER = IMAGE_DATA[1:]
_EPOCHS = ("epochs", "warmup_epochs", "handover_epochs")
_NETWORKS = ("networks", "channels", "channels_last")
_IMAGES = (*IMAGE_DATA, *_NETWORKS, "feature_extractor", "num_samples", *_EPOCHS)
_POINTS = ("hidden_units",)


@dataclass(frozen=True, kw_only=True)
class ModelSettings(HardwareSettings, TrainerSettings):
    """An encoder, a decoder and a chosen prior, and how they are trained together.

    They minimise beta_rec * rec + beta_kl * kl. Defaults are those of the 2D and image benchmarks
    of Prior Learning in Introspective VAEs (`settings.protocol`), so they depend on the data set.

    Attributes:
        iterations: training iterations altogether (30,000 for points, 220 epochs for images).
        epochs: of images, instead of iterations; a last incomplete batch is left out.
        dataset: name of the data set.
        train_images: how many images of the train split to use, the first ones (all that were
            published).
        image_folder: the folder of ``dataset: image_folder``, absolute or below the data folder.
        image_size: height and width of its images, in pixels.
        image_channels: 1 if its images are grey, 3 if they are in colour.
        prior: ``gaussian`` (standard), ``mog`` or ``vamp``, or one of your own.
        components: number of mixture components (64 for points, 100 for images; 1 for
            ``gaussian``).
        learnable_contributions: train the mixture weights; otherwise they stay uniform.
        beta_rec: weight of the reconstruction error, which is the squared error summed over data
            dimensions (1; 8 for digits).
        beta_kl: weight of KL[q(z|x) || p(z)].
        kl_estimator: ``closed_form`` (Gaussian prior only), ``monte_carlo``, or ``auto``, which
            is the closed form where there is one.
        num_draws: posterior samples of the Monte Carlo estimator (T, eq. 99).
        latent_dim: dimensions of z, at least 2, the first two being drawn (2 for points, 32 for
            grey images, 128 for colour, 16 for digits).
        hidden_units: width of the four hidden layers, for points (256).
        networks: for images: ``residual`` are those of the prior-learning benchmark (the default),
            ``strided`` the plain ones that EVaLP's authors train their VAEs with.
        channels: feature maps of the networks for images, which halve an image once per entry
            (64, 128 and, for colour, 256; of strided ones 128, 256, 512, 1024).
        channels_last: keep the networks' weights and feature maps channels last in memory, which
            is how convolutions are fastest (true for images).
        batch_size: data points of an iteration (512 points, 128 grey or 32 colour images).
        learning_rate: Adam's, for every player.
        lr_milestones: iterations at which the learning rate is multiplied by `lr_decay`.
        lr_decay: factor applied at each milestone.
        feature_extractor: whose features fid_gen and its kin compare: ``classifier`` is a small
            one, trained on the train split; ``inception`` needs its weights in the data folder.
        num_samples: images that those metrics generate (as many as there are train images, at
            most 50,000).
    """

    iterations: int = bounded(None, low=1)
    epochs: int | None = bounded(None, low=1)
    dataset: str = registered("8gaussians", kind="dataset")
    train_images: int | None = bounded(None, low=2)
    image_folder: str | None = None
    image_size: int | None = bounded(None, low=2)
    image_channels: int | None = bounded(None, low=1)
    prior: str = registered("gaussian", kind="prior")
    components: int | None = None
    learnable_contributions: bool = False
    beta_rec: float = bounded(None, low=0.0)
    beta_kl: float = bounded(1.0, low=0.0)
    kl_estimator: str = choice("auto", legal=("auto", "closed_form", "monte_carlo"))
    num_draws: int = bounded(100, low=1)
    latent_dim: int = bounded(None, low=2)
    hidden_units: int | None = bounded(None, low=1)
    networks: str | None = choice(None, legal=("residual", "strided"))
    channels: tuple[int, ...] | None = bounded(None, low=1)
    channels_last: bool | None = None
    batch_size: int = bounded(None, low=2)
    learning_rate: float = bounded(2e-4, above=0.0)
    lr_milestones: tuple[int, ...] = bounded(None)
    lr_decay: float = bounded(0.1, above=0.0)
    feature_extractor: str | None = choice(None, legal=("classifier", "inception"))
    num_samples: int | None = bounded(None, low=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._resolve_data()
        self._resolve_prior()
        if list(self.lr_milestones) != sorted(set(self.lr_milestones)) or any(
            m < 1 for m in self.lr_milestones
        ):
            raise ConfigError(
                f"must be positive and increasing, not {list(self.lr_milestones)}",
                key="lr_milestones",
            )

    @property
    def protocol(self) -> Protocol:
        """The defaults for the data set."""
        return protocol_of(self.dataset, image_channels=self.image_channels)

    def _resolve_data(self) -> None:
        """Fill in what depends on the data set, and refuse what has no meaning for it."""
        _check_data(self)
        if self.networks == "residual":  # as if nothing was said: one configuration, one name
            object.__setattr__(self, "networks", None)
        for name, value in self._defaults_by_data().items():
            self._fill(name, value)
        if self.channels is not None:
            _check_images(self)

    def _defaults_by_data(self) -> dict[str, Any]:
        """What settings are that are not given, where that depends on the data set."""
        protocol = self.protocol
        defaults = {name: getattr(protocol, name) for name in _BY_PROTOCOL}
        if protocol.channels is None:
            return defaults
        known = protocol.train_images if self.train_images is None else self.train_images
        return defaults | {
            "channels": protocol.channels if self.networks is None else STRIDED_CHANNELS,
            "channels_last": True,
            "feature_extractor": "classifier",
            "num_samples": MAX_FID_SAMPLES if known is None else min(known, MAX_FID_SAMPLES),
        }

    def _resolve_length(self, iterations: str, epochs: str, default: int) -> None:
        """Fill in a length in iterations, given in iterations, in epochs or not at all."""
        given = getattr(self, epochs)
        if given is not None and getattr(self, iterations) is not None:
            raise ConfigError(f"is given beside {iterations}", key=epochs, hint="keep one of them")
        if getattr(self, iterations) is not None:
            return
        length = default if given is None else given
        if self.channels is not None:
            length *= self._known_epoch_length(iterations)
        object.__setattr__(self, iterations, length)
        object.__setattr__(self, epochs, None)

    def _known_epoch_length(self, key: str) -> int:
        if self.train_images is None:
            raise ConfigError(
                "how long an epoch is depends on the number of train images, which is not known",
                key=key,
                hint=f"set train_images, or {key}",
            )
        return self.train_images // self.batch_size

    def _fill(self, name: str, value: Any) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, name, value)

    def _resolve_prior(self) -> None:
        """Fill in what depends on the prior, and refuse what has no meaning for it."""
        if self.prior == "gaussian":
            if self.components not in (None, 1):
                raise ConfigError(
                    f"a gaussian prior has one component, not {self.components}",
                    key="components",
                    hint="leave components out, or set prior: mog",
                )
            if self.learnable_contributions:
                raise ConfigError(
                    "a gaussian prior has no mixture weights to learn",
                    key="learnable_contributions",
                    hint="set prior: mog",
                )
            components, estimator = 1, "closed_form"
        else:
            components = self.protocol.components if self.components is None else self.components
            estimator = "monte_carlo"
            if components < 1:
                raise ConfigError(f"must be at least 1, not {components}", key="components")
            if self.train_images is not None and components > self.train_images:
                raise ConfigError(
                    f"{components:,} are more than the {self.train_images:,} train images, from "
                    "which they start",
                    key="components",
                )
            if self.kl_estimator == "closed_form":
                raise ConfigError(
                    f"there is no closed form for prior: {self.prior}",
                    key="kl_estimator",
                    hint="use monte_carlo or auto",
                )
        object.__setattr__(self, "components", components)
        if self.kl_estimator == "auto":
            object.__setattr__(self, "kl_estimator", estimator)


@dataclass(frozen=True, kw_only=True)
class VAESettings(ModelSettings):
    """A VAE with a chosen prior (the baseline, and stage 1 of other trainers)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._resolve_length("iterations", "epochs", self.protocol.length)

    @property
    def epoch_length(self) -> int | None:
        return self.train_images and self.train_images // self.batch_size


def _check_data(settings: ModelSettings) -> None:
    """Refuse given settings that do not apply to the data set.

    Raises:
        ConfigError: its `key` is the setting.
    """
    dataset, kind = settings.dataset, data_kind(settings.dataset)
    for name in _POINTS if kind == "images" else _IMAGES:
        if getattr(settings, name, None) is not None:
            other = "points" if kind == "images" else "images"
            raise ConfigError(
                f"is for {other}, and {dataset} has none", key=name, hint="leave it out"
            )
    if kind != "images":
        return
    for name in _FOLDER:
        given = getattr(settings, name) is not None
        if given and dataset != "image_folder":
            raise ConfigError(
                f"is for dataset: image_folder, not {dataset}", key=name, hint="leave it out"
            )
        if not given and dataset == "image_folder":
            raise ConfigError(
                "is missing",
                key=name,
                hint="e.g. image_folder: my/photos, image_size: 32, image_channels: 3",
            )
    if settings.image_channels not in (None, 1, 3):
        raise ConfigError(
            f"must be 1 (grey) or 3 (colour), not {settings.image_channels}", key="image_channels"
        )


def _check_images(settings: ModelSettings) -> None:
    """Refuse sizes that contradict each other, once all are known.

    Raises:
        ConfigError: its `key` is the setting.
    """
    assert settings.channels is not None
    size = settings.image_size or settings.protocol.image_size
    check_halvings(settings.channels, size=size, padded=settings.networks == "strided")
    count = settings.train_images
    if count is not None and settings.batch_size > count:
        raise ConfigError(
            f"{settings.batch_size:,} is more than the {count:,} train images", key="batch_size"
        )
    if count is not None and (settings.num_samples or 0) > count:
        raise ConfigError(
            f"{settings.num_samples:,} is more than the {count:,} train images, with as many of "
            "which generated ones are compared",
            key="num_samples",
            hint=f"at most {count}",
        )
