"""Keeps what was computed once from a data set, named by all that it depends on."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import torch

from introsearch.data.folder import cache_folder
from introsearch.files import alone, write_atomically


def cached(kind: str, key: dict[str, Any], make: Callable[[], Any]) -> Any:
    """What `make` returns, from the cache if it was made before.

    Several processes that want the same wait for the first one. A damaged file is made again.

    Args:
        kind: of thing; starts the file's name.
        key: all that it depends on, as plain values.
        make: returns tensors and plain values, on the CPU.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / f"{kind}-{digest}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock")
    lock.touch()
    with alone(lock):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # missing, or cut short: torch raises many kinds
            value = make()
        buffer = io.BytesIO()
        torch.save(value, buffer)
        write_atomically(path, buffer.getvalue())
        return value
