"""Durations in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A duration in the unit that suits it, e.g. ``42 s``, ``17 min``, ``3.2 h``, ``2.5 days``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} days"
