"""Quadrant completion: the bottom left quarter of an image is given, the rest is to be found."""

from __future__ import annotations

from typing import Any


def split_quadrants(images: Any) -> tuple[Any, Any]:
    """Images [N, C, H, W] as (the other three quadrants, the bottom left one), both [N, ...].

    Arrays and tensors alike; the rows of an odd height are more in the bottom half, the columns of
    an odd width in the right one.
    """
    top, left = images.shape[2] // 2, images.shape[3] // 2
    given = [False] * (images.shape[2] * images.shape[3])
    for row in range(top, images.shape[2]):
        for column in range(left):
            given[row * images.shape[3] + column] = True
    flat = images.reshape(images.shape[0], images.shape[1], -1)
    inside = [i for i, is_given in enumerate(given) if is_given]
    outside = [i for i, is_given in enumerate(given) if not is_given]
    n = images.shape[0]
    return flat[:, :, outside].reshape(n, -1), flat[:, :, inside].reshape(n, -1)
