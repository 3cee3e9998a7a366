"""Defaults that depend on the data set: the published protocols of the benchmarks. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from introsearch.data.catalog import IMAGE_SETS
from introsearch.extensions import data_kind

MAX_FID_SAMPLES = 50_000
STRIDED_CHANNELS = (128, 256, 512, 1024)  # of EVaLP's authors, for 32x32 and 64x64 pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a benchmark is trained, in the words of the settings; None is not said.

    Lengths are in epochs for images and in iterations for points, of which there are no epochs.
    """

    latent_dim: int
    components: int
    batch_size: int
    beta_rec: float = 1.0
    beta_neg: float
    lr_milestones: tuple[int, ...]
    hidden_units: int | None = None
    channels: tuple[int, ...] | None = None
    length: int
    warmup: int
    handover: int
    train_images: int | None = None
    image_size: int | None = None
    image_channels: int | None = None


POINTS = Protocol(
    latent_dim=2,
    components=64,
    batch_size=512,
    beta_neg=1.0,
    lr_milestones=(10_000, 15_000),
    hidden_units=256,
    length=30_000,
    warmup=2_000,
    handover=100,
)
COLOUR = Protocol(
    latent_dim=128,
    components=100,
    batch_size=32,
    beta_neg=256.0,
    lr_milestones=(),
    channels=(64, 128, 256),
    length=220,
    warmup=20,
    handover=5,
    image_channels=3,
)
GREY = replace(COLOUR, latent_dim=32, batch_size=128, channels=(64, 128), image_channels=1)
_OWN = {
    "mnist": replace(GREY, beta_neg=128.0),
    "fashion_mnist": GREY,
    # Of so few pixels, an error of weight 1 is not worth a latent: the posterior collapses.
    "digits": replace(GREY, latent_dim=16, channels=(32, 64), beta_rec=8.0, beta_neg=10.0),
    "cifar10": COLOUR,
    "svhn": COLOUR,
}


def protocol_of(dataset: str, *, image_channels: int | None = None) -> Protocol:
    """The defaults for a data set, registered or the user's own.

    Args:
        dataset: as a study file names it.
        image_channels: of one's own images: 1 is grey, 3 (unless given) is colour.
    """
    if data_kind(dataset) != "images":
        return POINTS
    if dataset not in IMAGE_SETS:
        return GREY if image_channels == 1 else COLOUR
    known = IMAGE_SETS[dataset]
    return replace(_OWN[dataset], train_images=known.train_images, image_size=known.size)
