"""How many samples are drawn: what a definition says, or few where only the way is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_most: int | None = None


def sample_size(n: int, *, few: int | None = None) -> int:
    """`n`, or few within `few_samples`.

    Args:
        n: what a number's definition says.
        few: how many are few of these, if not as many as of anything.
    """
    return n if _most is None else min(n, _most if few is None else few)


@contextmanager
def few_samples(most: int) -> Iterator[None]:
    """In here, data sets keep few images and metrics draw few samples.

    What comes out is quick, and worth nothing.

    Args:
        most: images of a split, and samples of most kinds.
    """
    global _most
    before, _most = _most, most
    try:
        yield
    finally:
        _most = before
