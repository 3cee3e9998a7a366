"""Image metrics as the numbers of "Prior Learning in Introspective VAEs" were measured.

They differ from the standard ones of `generation` and `responsibilities` in what makes published
numbers small, and so they are compared with published numbers, and nothing else is:

- the network whose features are compared normalises each batch by itself, as in train mode, and so
  hardly sees contrast and blur;
- model and network are given batches of the training batch size, the last of which may be smaller;
- images are cut down to 8 bits, not rounded, and reconstructions are decoded from samples of the
  posterior;
- responsibilities are averaged within a test batch, of which there may be fewer images than
  components, and their entropies over the batches.

The published network is the Inception of `feature_extractor: inception`; `metrics.features` says
which weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Generator, Tensor

from introsearch.data.images import ImageData, to_float
from introsearch.losses.kl import reparameterise
from introsearch.losses.sintrovae import normalised_entropy
from introsearch.metrics.content_cache import cached
from introsearch.metrics.features import Extractor, batchwise_extractor
from introsearch.metrics.generation import frechet_distance, statistics
from introsearch.metrics.view import ModelView
from introsearch.priors.base import MixturePrior
from introsearch.sample_sizes import sample_size

_NUM_DRAWS = 100


def fid_gen_paper(view: ModelView, generator: Generator) -> float:
    """Frechet distance between decoded prior samples and train images, as published (Table 2)."""
    z = view.prior.sample(view.num_samples, generator)
    return _fid(view, (view.decoder(part) for part in z.split(view.batch_size)))


def fid_rec_paper(view: ModelView, generator: Generator) -> float:
    """Frechet distance between reconstructed and train images, as published (Table 2)."""

    def reconstructed() -> Iterator[Tensor]:
        for batch in _train_batches(view):
            q = view.encoder(to_float(batch))
            noise = torch.randn(q.mu.shape, generator=generator, device=q.mu.device)
            yield view.decoder(reparameterise(q.mu, q.logvar, noise))

    return _fid(view, reconstructed())


def responsibility_entropy_paper(view: ModelView, generator: Generator) -> float:
    """H(C) / log K of each batch of test images, averaged, as published; 0 for one component.

    Where each image is of one of 100 components and each component is as likely, batches of 128
    give 0.90 and batches of 32 give 0.71, and not 1.
    """
    if not isinstance(view.prior, MixturePrior):
        return 0.0
    entropies = []
    for batch in _data(view).test.images.split(view.batch_size):
        q = view.encoder(to_float(batch))
        num_draws = sample_size(_NUM_DRAWS, few=2)
        noise = torch.randn(num_draws, *q.mu.shape, generator=generator, device=q.mu.device)
        shares = [
            view.prior.responsibilities(z).mean(dim=0)
            for z in reparameterise(q.mu, q.logvar, noise)
        ]
        entropies.append(normalised_entropy(torch.stack(shares).mean(dim=0)))
    return float(torch.stack(entropies).mean())


def _fid(view: ModelView, batches: Iterable[Tensor]) -> float:
    """Of batches of generated images."""
    extractor = _extractor(view)
    fake = torch.cat([extractor.features(_cut_down(batch)).float().cpu() for batch in batches])
    return frechet_distance(fake, _real(view))


def _cut_down(images: Tensor) -> Tensor:
    """Floats clipped to [0, 1] and cut down to 8 bits."""
    return images.clamp(0, 1).mul(255).to(torch.uint8)


def _real(view: ModelView) -> dict[str, Tensor]:
    """Mean and covariance of train images' features, in batches of the same size."""
    extractor = _extractor(view)
    n = min(view.num_samples, len(_data(view).train))
    key = {"data": _data(view).fingerprint, "extractor": extractor.name, "n": n}
    key |= {"batch_size": view.batch_size}

    def make() -> dict[str, Tensor]:
        features = [extractor.features(batch).float().cpu() for batch in _train_batches(view)]
        return statistics(torch.cat(features))

    found: dict[str, Tensor] = cached("batchwise-features", key, make)
    return found


def _train_batches(view: ModelView) -> tuple[Tensor, ...]:
    """As many train images as are generated, as bytes."""
    return _data(view).train.images[: view.num_samples].split(view.batch_size)


def _extractor(view: ModelView) -> Extractor:
    return batchwise_extractor(_data(view), view.feature_extractor)


def _data(view: ModelView) -> ImageData:
    assert isinstance(view.dataset, ImageData)  # the registry sees to it
    return view.dataset
