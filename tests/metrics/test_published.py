"""Image metrics as published, against loops that use nothing of the package but its networks."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from introsearch.data.base import CPU, DataContext
from introsearch.data.images import Digits
from introsearch.metrics.classifier import trained_classifier
from introsearch.metrics.features import batchwise_extractor, extractor_for
from introsearch.metrics.generation import fid_gen
from introsearch.metrics.published import (
    fid_gen_paper,
    fid_rec_paper,
    responsibility_entropy_paper,
)
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.priors.base import Components
from introsearch.priors.gaussian import StandardGaussian
from introsearch.priors.mixture import MixtureOfGaussians

NUM, BATCH, LATENT = 150, 32, 3


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits.open(DataContext(device=CPU, train_images=NUM))


class Encoder(nn.Module):
    def forward(self, x: Tensor) -> Posterior:
        mu = x.flatten(1)[:, 20 : 20 + LATENT]
        return Posterior(mu, torch.full_like(mu, -2.0))


class Decoder(nn.Module):
    """Brightness beyond [0, 1], so that it is clipped, and in between 8 bits."""

    def forward(self, z: Tensor) -> Tensor:
        pattern = torch.linspace(0, 1.3, 64).view(1, 1, 8, 8)
        return pattern * (0.5 + z.sum(dim=1)).view(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def view(digits: Digits) -> ModelView:
    prior = StandardGaussian(LATENT)
    return ModelView(digits, Encoder(), Decoder(), prior, num_samples=NUM, batch_size=BATCH)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def frechet(a: Any, b: Any) -> float:
    (m, s), (n, t) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    root = np.sqrt(np.linalg.eigvals(s @ t).real.clip(0)).sum()  # some features are dead
    return float(((m - n) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root)


def in_train_mode(net: nn.Module, images: Any) -> Any:
    """Features of bytes in batches, by a network in train mode."""
    parts = [images[start : start + BATCH] for start in range(0, NUM, BATCH)]
    with torch.no_grad():
        found = [net(torch.tensor(part / 255.0, dtype=torch.float32)) for part in parts]
    return torch.cat(found).double().numpy()


def test_distances_are_those_of_a_network_in_train_mode(digits: Digits, view: ModelView) -> None:
    net = copy.deepcopy(trained_classifier(digits).net.body).train()
    real = digits.train.images.numpy()
    expected = in_train_mode(net, real)

    z = StandardGaussian(LATENT).sample(NUM, generator())
    drawn = np.floor(np.clip(Decoder()(z).numpy(), 0, 1) * 255)
    found = fid_gen_paper(dataclasses.replace(view, memo={}), generator())
    assert found == pytest.approx(frechet(in_train_mode(net, drawn), expected), rel=1e-3)
    assert found < 0.95 * fid_gen(dataclasses.replace(view, memo={}), generator())

    stream, again = generator(), []
    for start in range(0, NUM, BATCH):
        mu = real[start : start + BATCH].reshape(-1, 64)[:, 20 : 20 + LATENT] / 255.0
        noise = torch.randn(mu.shape, generator=stream).numpy()
        z = torch.tensor(mu + np.exp(-1.0) * noise, dtype=torch.float32)
        again.append(np.floor(np.clip(Decoder()(z).numpy(), 0, 1) * 255))
    expected_rec = frechet(in_train_mode(net, np.concatenate(again)), expected)
    assert fid_rec_paper(view, generator()) == pytest.approx(expected_rec, rel=1e-3)


def test_the_network_itself_stays_as_it_is(digits: Digits) -> None:
    images = digits.train.images[:40]
    plain = extractor_for(digits, "classifier")
    before = plain.of(images)
    batchwise = batchwise_extractor(digits, "classifier")
    assert batchwise.name == plain.name
    assert not torch.allclose(batchwise.features(images), before, atol=1e-2)
    assert not torch.allclose(batchwise.features(images)[:20], batchwise.features(images[:20]))
    assert torch.equal(plain.of(images), before)


class Labeller(nn.Module):
    """The posterior of each image in turn is in the middle of one of a hundred far components."""

    def __init__(self, labels: Any) -> None:
        super().__init__()
        self.labels = iter(labels)

    def forward(self, x: Tensor) -> Posterior:
        chosen = torch.tensor([next(self.labels) for _ in range(len(x))])
        mu = torch.stack([100.0 * chosen, torch.zeros(len(x))], dim=1)
        return Posterior(mu, torch.full_like(mu, -10.0))


@pytest.mark.parametrize(("batch_size", "published"), [(128, 0.90), (32, 0.71)])
def test_even_use_of_a_hundred_components_has_no_entropy_of_one(
    digits: Digits, batch_size: int, published: float
) -> None:
    labels = np.random.default_rng(0).integers(0, 100, 4_000)
    data = copy.copy(digits)
    data.test = dataclasses.replace(
        digits.test, images=torch.zeros(4_000, 1, 8, 8, dtype=torch.uint8)
    )
    mu = torch.stack([100.0 * torch.arange(100), torch.zeros(100)], dim=1)
    parts = Components(mu, torch.zeros_like(mu), torch.full((100,), -np.log(100)))
    prior = MixtureOfGaussians(parts, learnable_contributions=False, clip_sharpness=0.0)
    view = ModelView(data, Labeller(labels), nn.Identity(), prior, batch_size=batch_size)
    entropies = []
    for start in range(0, 4_000, batch_size):
        batch = labels[start : start + batch_size]
        shares = np.bincount(batch) / len(batch)
        shares = shares[shares > 0]
        entropies.append(-(shares * np.log(shares)).sum() / np.log(100))
    found = responsibility_entropy_paper(view, generator())
    assert found == pytest.approx(np.mean(entropies), abs=1e-4)
    assert found == pytest.approx(published, abs=0.01)


def test_one_component_has_no_entropy(view: ModelView) -> None:
    assert responsibility_entropy_paper(view, generator()) == 0.0
