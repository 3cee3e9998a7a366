"""Number formats in which matrix products and convolutions are computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def tf32_products(*, allowed: bool) -> Iterator[None]:
    """Let a GPU round the factors of float32 products to TensorFloat-32, or make it not do so.

    Of itself, torch does so for convolutions and not for matrix products.
    """
    matrices, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matrices.allow_tf32, convolutions.allow_tf32
    matrices.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        matrices.allow_tf32, convolutions.allow_tf32 = before
