"""One random stream per purpose, so that using one never moves another."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed that depends on the trial's seed and the purpose alone."""
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_stream(seed: int, purpose: str, *, device: torch.device) -> torch.Generator:
    """A generator on `device` for one purpose (``data``, ``noise``, ``evaluation``, ...)."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, purpose))
