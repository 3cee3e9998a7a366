"""The settings of every trainer: typed, frozen, validated, and free of torch."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from introsearch.data.catalog import IMAGE_SETS
from introsearch.errors import ConfigError, nearest_hint
from introsearch.registry import TRAINERS, check_name, is_path, load, resolve
from introsearch.training.fields import (
    bounded,
    check_field,
    choice,
    coerce,
    field_types,
    registered,
)
from introsearch.training.hardware_settings import HardwareSettings
from introsearch.training.image_settings import check_data_settings, check_image_settings
from introsearch.training.protocol import (
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


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """What every trainer can be told; its settings are derived from this.

    Fields are bool, int, float, str, a tuple of them, or one of these or None. They have defaults
    and may have bounds or choices (`training.fields`). What no single field can say is checked in
    `__post_init__`, after that of this class, by raising a ConfigError with the field as its key.

    Attributes:
        iterations: training iterations altogether.
    """

    iterations: int = bounded(30_000, low=1)

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            check_field(f, getattr(self, f.name))

    @property
    def warmup_end(self) -> int:
        """First iteration at which metrics of different configurations can be compared."""
        return 0

    @property
    def epoch_length(self) -> int | None:
        """Iterations of an epoch; None if there are no epochs, or it is not known how long."""
        return None

    def shortened(self, iterations: int) -> Self:
        """The same, trained for few iterations, half of them warm-up if any: to measure its cost.

        A trainer with other phases must shorten them too.
        """
        return dataclasses.replace(self, iterations=iterations)


@dataclass(frozen=True, kw_only=True)
class VAESettings(HardwareSettings, TrainerSettings):
    """A VAE with a chosen prior (the baseline, and stage 1 of `sintrovae`).

    Minimises beta_rec * rec + beta_kl * kl. Defaults are those of the 2D and image benchmarks of
    Prior Learning in Introspective VAEs (`training.protocol`), so they depend on the data set.

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
        self._resolve_length("iterations", "epochs", self.protocol.length)
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

    @property
    def epoch_length(self) -> int | None:
        return self.train_images and self.train_images // self.batch_size

    def _resolve_data(self) -> None:
        """Fill in what depends on the data set, and refuse what has no meaning for it."""
        check_data_settings(self)
        protocol = self.protocol
        for name in _BY_PROTOCOL:
            self._fill(name, getattr(protocol, name))
        if protocol.channels is None:
            return
        if self.networks == "residual":  # as if nothing was said: one configuration, one name
            object.__setattr__(self, "networks", None)
        self._fill("channels", protocol.channels if self.networks is None else STRIDED_CHANNELS)
        self._fill("channels_last", True)
        self._fill("feature_extractor", "classifier")
        known = self.train_images
        self._fill("num_samples", MAX_FID_SAMPLES if known is None else min(known, MAX_FID_SAMPLES))
        check_image_settings(self)

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


def settings_class(trainer: str) -> type[TrainerSettings]:
    """The class of a trainer's settings; imports no torch for a registered trainer.

    Args:
        trainer: a registered trainer, or the dotted path of the user's own.

    Raises:
        ConfigError: no such trainer, or its `Settings` are none.
    """
    check_name("trainer", trainer)
    if not is_path(trainer):
        cls: type[TrainerSettings] = load(TRAINERS[trainer].settings)
        return cls
    own: Any = getattr(resolve("trainer", trainer), "Settings", None)
    sound = isinstance(own, type) and issubclass(own, TrainerSettings)
    if not sound or (inspect.get_annotations(own) and "__dataclass_fields__" not in vars(own)):
        raise ConfigError(
            f"{trainer} has no Settings that could be checked",
            key="trainer",
            hint="they must be a dataclass(frozen=True, kw_only=True), derived from "
            "introsearch.training.settings:TrainerSettings",
        )
    checked: type[TrainerSettings] = own
    return checked


def resolve_settings(trainer: str, parameters: Mapping[str, Any]) -> TrainerSettings:
    """Validate plain values into a trainer's settings, with every default filled in.

    Args:
        trainer: a registered trainer, or the dotted path of the user's own.
        parameters: plain YAML values by setting name.

    Returns:
        The trainer's frozen settings.

    Raises:
        ConfigError: unknown trainer or key, wrong type, value out of range, or settings that
            contradict each other. Its `key` is the setting's name.
    """
    cls: Any = settings_class(trainer)
    types = field_types(cls)
    for key in parameters:
        if key not in types:
            raise ConfigError(
                f"trainer {trainer!r} has no setting {key!r}",
                key=str(key),
                hint=nearest_hint(key, types),
            )
    for f in dataclasses.fields(cls):
        if f.default is dataclasses.MISSING and f.name not in parameters:
            raise ConfigError(
                f"trainer {trainer!r} needs a value for {f.name!r}",
                key=f.name,
                hint=f"add {f.name}: ... to the parameters",
            )
    settings: TrainerSettings = cls(**{k: coerce(k, v, types[k]) for k, v in parameters.items()})
    return settings


def settings_to_dict(settings: TrainerSettings) -> dict[str, Any]:
    """All settings as plain JSON values (tuples become lists).

    What is None because it does not apply is left out, and so is a default that is implied
    (`fields.choice`), so that a new setting leaves the identity of older configurations as it is.
    """
    values = {
        f.name: value
        for f in dataclasses.fields(settings)
        if (value := getattr(settings, f.name)) is not None or f.default is not None
        if not (f.metadata.get("implied") and value == f.default)
    }
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
