"""Writes files in MNIST's format."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_mnist(folder: Path, *, train: int = 40, test: int = 20, size: int = 28) -> None:
    """A data folder with noise in the layout of MNIST; label i % 10 brightens row i % 10."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for part, n in (("train", train), ("t10k", test)):
        labels = (np.arange(n) % 10).astype(np.uint8)
        images = random.integers(0, 100, (n, size, size), dtype=np.uint8)
        images[np.arange(n), labels] += 150
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", labels)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + array.tobytes())
