"""Networks applied to many images in batches of equal size, each normalised by itself."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from introsearch.data.images import to_bytes, to_float
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior

BATCH = 250


def batches(images: Tensor) -> Iterator[Tensor]:
    """Bytes [N, C, H, W] as floats in [0, 1], in parts of nearly equal size."""
    for part in images.chunk(-(-len(images) // BATCH)):
        yield to_float(part)


def encode_in_batches(encoder: nn.Module, images: Tensor) -> Posterior:
    """Posteriors of N images given as bytes: mu and logvar, [N, L]."""
    parts = [encoder(batch) for batch in batches(images)]
    return Posterior(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def generate(view: ModelView, generator: Generator) -> Tensor:
    """`view.num_samples` decoded prior samples as bytes, [N, C, H, W]."""
    z = view.prior.sample(view.num_samples, generator)
    return decode_in_batches(view.decoder, z)


def decode_in_batches(decoder: nn.Module, z: Tensor) -> Tensor:
    """Images as bytes, [N, C, H, W], of latent points [N, L]."""
    return torch.cat([to_bytes(decoder(part)) for part in z.chunk(-(-len(z) // BATCH))])
