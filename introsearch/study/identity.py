"""The identity of a configuration: the same settings have the same name, everywhere, always."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_SCHEMA_VERSION = 1


def identity(trainer: str, settings: Mapping[str, Any]) -> str:
    """First 12 hex digits of the sha256 of a configuration's canonical JSON.

    Variants and groups are not part of it: two of them may share a configuration.

    Args:
        trainer: a registered trainer, or a dotted path as it is written in the study file.
        settings: all settings, resolved, as plain JSON values.

    Raises:
        ValueError: a setting is NaN or infinite, which JSON cannot hold.
        TypeError: a setting is no plain JSON value.
    """
    canonical = json.dumps(
        {"schema_version": _SCHEMA_VERSION, "trainer": trainer, "settings": dict(settings)},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
