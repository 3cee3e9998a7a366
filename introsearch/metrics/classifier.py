"""A small image classifier, whose features judge images where Inception's cannot be had."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from introsearch.data.images import ImageData, Split, to_float
from introsearch.errors import ConfigError
from introsearch.metrics.content_cache import cached
from introsearch.sample_sizes import sample_size

VERSION = 1  # of what follows: raise it with any change that changes weights
_FEATURES = 64
BATCH = 64
_LEARNING_RATE = 1e-3
_PASSES = 60_000  # images seen in training, at least three epochs and at most thirty
SEED = 0


class Classifier(nn.Module):
    """Two convolutions and two linear layers; what enters the last one are the features.

    Args:
        shape: of an image, (C, H, W).
        num_classes: labels.
    """

    def __init__(self, shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        size = (shape[1] // 4) * (shape[2] // 4)
        self.body = nn.Sequential(
            nn.Conv2d(shape[0], 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * size, _FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(_FEATURES, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] in [0, 1] -> logits [B, num_classes]."""
        logits: Tensor = self.head(self.body(x))
        return logits


class Trained(NamedTuple):
    """A classifier in evaluation mode, and the share of test images that it gets right."""

    net: Classifier
    accuracy: float


def trained_classifier(data: ImageData) -> Trained:
    """The classifier of a data set's train split, trained once and then kept in the cache.

    Raises:
        ConfigError: there is a single class, or the images are too small.
    """
    if data.num_classes < 2 or min(data.shape[1:]) < 4:
        raise ConfigError(
            "no classifier can be trained on a single class, or on images below 4x4 pixels",
            key="feature_extractor",
            hint="put each class into a folder of its own, or set feature_extractor: inception",
        )
    device = data.train.images.device
    key = {"data": data.fingerprint, "version": VERSION, "device": device.type}
    kept = cached("classifier", key, lambda: _train(data))
    with torch.random.fork_rng(devices=[]):  # its initial weights are of no use here
        net = Classifier(data.shape, data.num_classes)
    net.load_state_dict(kept["weights"])
    return Trained(net.to(device).eval(), kept["accuracy"])


def _train(data: ImageData) -> dict[str, object]:
    device, train = data.train.images.device, data.train
    stream = torch.Generator(device=device).manual_seed(SEED)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(SEED)
        net = Classifier(data.shape, data.num_classes).to(device)
        optimiser = torch.optim.Adam(net.parameters(), lr=_LEARNING_RATE)
        for _ in range(sample_size(min(max(_PASSES // len(train), 3), 30), few=1)):
            order = torch.randperm(len(train), generator=stream, device=device)
            for chosen in order.chunk(-(-len(order) // BATCH)):
                logits = net(to_float(train.images[chosen]))
                loss = functional.cross_entropy(logits, train.labels[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    weights = {name: value.cpu() for name, value in net.eval().state_dict().items()}
    return {"weights": weights, "accuracy": _accuracy(net, data.test)}


@torch.no_grad()
def _accuracy(net: Classifier, split: Split) -> float:
    pairs = zip(split.images.split(1000), split.labels.split(1000), strict=True)
    right = sum(int((net(to_float(x)).argmax(1) == y).sum()) for x, y in pairs)
    return right / len(split)
