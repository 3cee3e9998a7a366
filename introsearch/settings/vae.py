"""Settings of a VAE with a chosen prior."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.hardware import HardwareSettings
from introsearch.settings.images import IMAGE_DATA, halvings_fault
from introsearch.settings.model import IMPLIED, Many, Number, Whole, registered
from introsearch.settings.protocol import MAX_FID_SAMPLES, STRIDED_CHANNELS, Protocol, protocol_of

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


class ModelSettings(HardwareSettings):
    """An encoder, a decoder and a chosen prior, and how they are trained together.

    They minimise beta_rec * rec + beta_kl * kl. Defaults are those of the 2D and image benchmarks
    of Prior Learning in Introspective VAEs (`settings.protocol`), so they depend on the data set.
    """

    class Written(HardwareSettings.Written):
        """Lengths in epochs, and words for what depends on the prior or the data set."""

        epochs: Whole | None = Field(
            None,
            ge=1,
            description="of images, instead of iterations; a last incomplete batch is left out",
        )
        components: Whole | None = Field(
            None,
            ge=1,
            description="number of mixture components (64 for points, 100 for images; 1 for "
            "gaussian)",
        )
        kl_estimator: Literal["auto", "closed_form", "monte_carlo"] = Field(
            "auto",
            description="closed_form (Gaussian prior only), monte_carlo, or auto, which is the "
            "closed form where there is one",
        )
        networks: Literal["residual", "strided"] | None = Field(
            None,
            description="for images: residual are those of the prior-learning benchmark (the "
            "default), strided the plain ones that EVaLP's authors train their VAEs with",
        )
        pseudo_input_clamp: Literal["hardtanh", "clamp"] | None = Field(
            None,
            description="how a VampPrior's pseudo-inputs for images are confined to [0, 1]: by a "
            "hardtanh as in the published code (the default), which moves none that is exactly 0 "
            "or 1, as 82 % of MNIST's pixels are; or by a clamp, which moves these too, as before "
            "version 0.2",
        )

    iterations: Whole = Field(
        ge=1,
        description="training iterations altogether (30,000 for points, 220 epochs for images)",
    )
    dataset: Annotated[str, *registered("dataset")] = Field(
        "8gaussians", description="name of the data set"
    )
    train_images: Whole | None = Field(
        None,
        ge=2,
        description="how many images of the train split to use, the first ones (all that were "
        "published)",
    )
    image_folder: str | None = Field(
        None, description="the folder of dataset: image_folder, absolute or below the data folder"
    )
    image_size: Whole | None = Field(
        None, ge=2, description="height and width of its images, in pixels"
    )
    image_channels: Whole | None = Field(
        None, ge=1, description="1 if its images are grey, 3 if they are in colour"
    )
    prior: Annotated[str, *registered("prior")] = Field(
        "gaussian", description="gaussian (standard), mog or vamp, or one of your own"
    )
    components: Whole = Field(ge=1)
    pseudo_input_clamp: Annotated[Literal["hardtanh", "clamp"], IMPLIED] = "clamp"
    learnable_contributions: bool = Field(
        False, description="train the mixture weights; otherwise they stay uniform"
    )
    beta_rec: Number = Field(
        ge=0,
        description="weight of the reconstruction error, which is the squared error summed over "
        "data dimensions (1; 8 for digits)",
    )
    beta_kl: Number = Field(1.0, ge=0, description="weight of KL[q(z|x) || p(z)]")
    kl_estimator: Literal["closed_form", "monte_carlo"]
    num_draws: Whole = Field(
        100, ge=1, description="posterior samples of the Monte Carlo estimator (T, eq. 99)"
    )
    latent_dim: Whole = Field(
        ge=2,
        description="dimensions of z, at least 2, the first two being drawn (2 for points, 32 for "
        "grey images, 128 for colour, 16 for digits)",
    )
    hidden_units: Whole | None = Field(
        None, ge=1, description="width of the four hidden layers, for points (256)"
    )
    networks: Literal["strided"] | None = None
    channels: Many[Annotated[Whole, Field(ge=1)]] | None = Field(
        None,
        examples=["[64, 128]"],
        description="feature maps of the networks for images, which halve an image once per entry "
        "(64, 128 and, for colour, 256; of strided ones 128, 256, 512, 1024)",
    )
    channels_last: bool | None = Field(
        None,
        description="keep the networks' weights and feature maps channels last in memory, which is "
        "how convolutions are fastest (true for images)",
    )
    batch_size: Whole = Field(
        ge=2, description="data points of an iteration (512 points, 128 grey or 32 colour images)"
    )
    learning_rate: Number = Field(2e-4, gt=0, description="Adam's, for every player")
    lr_milestones: Many[Whole] = Field(
        examples=["[10000, 15000]"],
        description="iterations at which the learning rate is multiplied by lr_decay",
    )
    lr_decay: Number = Field(0.1, gt=0, description="factor applied at each milestone")
    feature_extractor: Literal["classifier", "inception"] | None = Field(
        None,
        description="whose features fid_gen and its kin compare: classifier is a small one, "
        "trained on the train split; inception needs its weights in the data folder",
    )
    num_samples: Whole | None = Field(
        None,
        ge=2,
        description="images that those metrics generate (as many as there are train images, at "
        "most 50,000)",
    )

    @property
    def protocol(self) -> Protocol:
        """The defaults for the data set."""
        return protocol_of(self.dataset, image_channels=self.image_channels)

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        if faults := list(_misplaced(written)):
            raise ConfigError.of(faults)
        if written["networks"] == "residual":  # as if nothing was said: one configuration, one name
            written["networks"] = None
        fill_in(written, defaults_by_data(written))
        if written["channels"] is not None and (faults := list(_of_images(written))):
            raise ConfigError.of(faults)
        return written | _of_prior(written)

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        milestones = list(self.lr_milestones)
        if milestones != sorted(set(milestones)) or any(m < 1 for m in milestones):
            message = f"must be positive and increasing, not {milestones}"
            yield ConfigError(message, key="lr_milestones")
        if self.prior == "gaussian":
            if self.components != 1:
                yield ConfigError(
                    f"a gaussian prior has one component, not {self.components}",
                    key="components",
                    hint="leave components out, or set prior: mog",
                )
            if self.learnable_contributions:
                yield ConfigError(
                    "a gaussian prior has no mixture weights to learn",
                    key="learnable_contributions",
                    hint="set prior: mog",
                )
            return
        if self.train_images is not None and self.components > self.train_images:
            yield ConfigError(
                f"{self.components:,} are more than the {self.train_images:,} train images, from "
                "which they start",
                key="components",
            )
        if self.kl_estimator == "closed_form":
            yield ConfigError(
                f"there is no closed form for prior: {self.prior}",
                key="kl_estimator",
                hint="use monte_carlo or auto",
            )


class VAESettings(ModelSettings):
    """A VAE with a chosen prior (the baseline, and stage 1 of other trainers)."""

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        return resolve_length(written, "iterations", "epochs", default=protocol_for(written).length)

    @property
    def epoch_length(self) -> int | None:
        return self.train_images and self.train_images // self.batch_size


def protocol_for(written: dict[str, Any]) -> Protocol:
    """The defaults for the data set of what a study file says."""
    return protocol_of(written["dataset"], image_channels=written["image_channels"])


def fill_in(written: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Give settings that were not given their defaults, in place."""
    written |= {name: value for name, value in defaults.items() if written[name] is None}


def defaults_by_data(written: dict[str, Any]) -> dict[str, Any]:
    """What settings are that are not given, where that depends on the data set."""
    of_data = protocol_for(written)
    defaults = {name: getattr(of_data, name) for name in _BY_PROTOCOL}
    if of_data.channels is None:
        return defaults
    given = written["train_images"]
    known = of_data.train_images if given is None else given
    return defaults | {
        "channels": of_data.channels if written["networks"] is None else STRIDED_CHANNELS,
        "channels_last": True,
        "feature_extractor": "classifier",
        "num_samples": MAX_FID_SAMPLES if known is None else min(known, MAX_FID_SAMPLES),
    }


def resolve_length(
    written: dict[str, Any], iterations: str, epochs: str, *, default: int
) -> dict[str, Any]:
    """A length in iterations, given in iterations, in epochs or not at all.

    Args:
        written: all settings, the data set's filled in.
        iterations: name of the length in iterations.
        epochs: name of the length in epochs.
        default: the length of the data set's protocol, in epochs of images.

    Raises:
        ConfigError: both are given, or the length of an epoch is not known.
    """
    given = written[epochs]
    if written[iterations] is not None:
        if given is not None:
            message = f"is given beside {iterations}"
            raise ConfigError(message, key=epochs, hint="keep one of them")
        return written
    length = default if given is None else given
    if written["channels"] is not None:
        if written["train_images"] is None:
            raise ConfigError(
                "how long an epoch is depends on the number of train images, which is not known",
                key=iterations,
                hint=f"set train_images, or {iterations}",
            )
        length *= written["train_images"] // written["batch_size"]
    return {**written, iterations: length, epochs: None}


def _of_prior(written: dict[str, Any]) -> dict[str, Any]:
    """What depends on the prior."""
    gaussian, components = written["prior"] == "gaussian", written["components"]
    if components is None:
        components = 1 if gaussian else protocol_for(written).components
    estimator = written["kl_estimator"]
    if estimator == "auto":
        estimator = "closed_form" if gaussian else "monte_carlo"
    clamp = written["pseudo_input_clamp"] or ("hardtanh" if _has_clamp(written) else "clamp")
    return {"components": components, "kl_estimator": estimator, "pseudo_input_clamp": clamp}


def _has_clamp(written: dict[str, Any]) -> bool:
    """Whether there are pseudo-inputs that are images."""
    return data_kind(written["dataset"]) == "images" and written["prior"] in ("mog", "vamp")


def _misplaced(written: dict[str, Any]) -> Iterator[ConfigError]:
    """What is given and does not apply to the data set."""
    dataset, kind = written["dataset"], data_kind(written["dataset"])
    if written["pseudo_input_clamp"] == "hardtanh" and not _has_clamp(written):
        message = f"is for images and a mog or vamp prior, not {dataset} and {written['prior']}"
        yield ConfigError(message, key="pseudo_input_clamp", hint="leave it out")
    for name in _POINTS if kind == "images" else _IMAGES:
        if written.get(name) is not None:
            other = "points" if kind == "images" else "images"
            message = f"is for {other}, and {dataset} has none"
            yield ConfigError(message, key=name, hint="leave it out")
    if kind != "images":
        return
    for name in _FOLDER:
        given = written[name] is not None
        if given and dataset != "image_folder":
            message = f"is for dataset: image_folder, not {dataset}"
            yield ConfigError(message, key=name, hint="leave it out")
        if not given and dataset == "image_folder":
            hint = "e.g. image_folder: my/photos, image_size: 32, image_channels: 3"
            yield ConfigError("is missing", key=name, hint=hint)
    if written["image_channels"] not in (None, 1, 3):
        message = f"must be 1 (grey) or 3 (colour), not {written['image_channels']}"
        yield ConfigError(message, key="image_channels")


def _of_images(written: dict[str, Any]) -> Iterator[ConfigError]:
    """Sizes that contradict each other."""
    size = written["image_size"] or protocol_for(written).image_size
    yield from halvings_fault(
        written["channels"], size=size, padded=written["networks"] == "strided"
    )
    count, batch_size = written["train_images"], written["batch_size"]
    num_samples = written["num_samples"]
    if count is not None and batch_size > count:
        message = f"{batch_size:,} is more than the {count:,} train images"
        yield ConfigError(message, key="batch_size")
    if count is not None and num_samples > count:
        yield ConfigError(
            f"{num_samples:,} is more than the {count:,} train images, with as many of "
            "which generated ones are compared",
            key="num_samples",
            hint=f"at most {count}",
        )
