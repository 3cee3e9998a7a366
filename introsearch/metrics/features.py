"""Feature extractors: what images are compared by."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from introsearch.data.folder import data_folder
from introsearch.data.images import ImageData, to_float
from introsearch.errors import ConfigError
from introsearch.metrics.classifier import trained_classifier
from introsearch.metrics.fidelity import import_fidelity
from introsearch.metrics.image_batches import BATCH
from introsearch.nets.batch_norm import without_fixed_statistics

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_LAYER = "2048"  # pool3, the published choice


class Extractor(NamedTuple):
    """Maps images to features.

    Attributes:
        name: identifies it down to its weights; part of every record of what it judged.
        features: from bytes [B, C, H, W] to [B, F].
    """

    name: str
    features: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def of(self, images: Tensor) -> Tensor:
        """Features of N images given as bytes: [N, F] on the CPU."""
        return torch.cat([self.features(part).float().cpu() for part in images.split(BATCH)])


@lru_cache(maxsize=2)
def extractor_for(data: ImageData, kind: str) -> Extractor:
    """The extractor for a data set; a worker keeps the last ones.

    Args:
        data: what its images are compared with.
        kind: ``classifier``, trained on the train split and kept in the cache, or ``inception``,
            whose weights must be in the data folder.

    Raises:
        ConfigError: it cannot be had.
    """
    return _of_classifier(data) if kind == "classifier" else _of_inception(data)


@lru_cache(maxsize=2)
def batchwise_extractor(data: ImageData, kind: str) -> Extractor:
    """The network of `extractor_for`, which normalises each batch by itself.

    Arguments and errors are those of `extractor_for`.
    """
    extractor = _of_classifier if kind == "classifier" else _of_inception
    return extractor(data, batchwise=True)


def _of_classifier(data: ImageData, *, batchwise: bool = False) -> Extractor:
    net, accuracy = trained_classifier(data)
    name = f"classifier {_digest(net)} ({accuracy:.1%} of test images right)"
    body = without_fixed_statistics(net.body) if batchwise else net.body
    return Extractor(name, lambda images: body(to_float(images)))


def _of_inception(data: ImageData, *, batchwise: bool = False) -> Extractor:
    net = load_inception().to(data.train.images.device)
    name = f"inception {_digest(net)}"
    if batchwise:
        net = without_fixed_statistics(net)

    def features(images: Tensor) -> Tensor:
        colour = images.expand(-1, 3, -1, -1)  # grey images are repeated
        output: Tensor = net(colour)[0]
        return output

    return Extractor(name, features)


def load_inception() -> Any:
    """torch-fidelity's Inception, with the weights that lie in the data folder.

    Raises:
        ConfigError: they do not, or are something else.
    """
    path = data_folder() / INCEPTION_FILE
    if not path.is_file():
        raise ConfigError(
            f"there are no Inception weights at {path}",
            key="feature_extractor",
            hint=f"fetch {_inception_url()} into the data folder, or let it be downloaded with "
            "--download; or set feature_extractor: classifier",
        )
    # As in all of `metrics`: torch-fidelity 0.4 documents calculate_metrics alone, which reads
    # images from folders or data sets and keeps no features.
    inception = import_fidelity().feature_extractor_inceptionv3
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return inception.FeatureExtractorInceptionV3(
                "inception", [INCEPTION_LAYER], feature_extractor_weights_path=str(path)
            )
    except Exception as error:  # a damaged file fails in many ways
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(
            f"{path} does not hold the weights of torch-fidelity's Inception: {reason}",
            key="feature_extractor",
            hint=f"delete it and fetch {_inception_url()} again",
        ) from error


def download_inception() -> None:
    """Fetch the weights of Inception into the data folder, unless they are there.

    Raises:
        ConfigError: they cannot be fetched.
    """
    path = data_folder() / INCEPTION_FILE
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(_inception_url(), str(path), "6726825d", progress=False)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"the weights of Inception cannot be downloaded: {error}",
            key="feature_extractor",
            hint=f"fetch {_inception_url()} into {path.parent} by other means, or set "
            "feature_extractor: classifier",
        ) from error


def _inception_url() -> str:
    return str(import_fidelity().feature_extractor_inceptionv3.URL_INCEPTION_V3)


def _digest(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
