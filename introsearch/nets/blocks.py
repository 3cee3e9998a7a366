"""How many rows pass through a computation together, where all at once would not stay in cache."""

from __future__ import annotations

import torch

CPU_BLOCK_ELEMENTS = 2**18  # 1 MiB of float32: stays in a core's second-level cache
_GPU_BLOCK_ELEMENTS = 2**26


def block_rows(width: int, device: torch.device) -> int:
    """Rows of a block whose widest intermediate result has `width` numbers in a row."""
    elements = CPU_BLOCK_ELEMENTS if device.type == "cpu" else _GPU_BLOCK_ELEMENTS
    return max(1, elements // width)
