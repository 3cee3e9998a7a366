"""Durations and hours of a device in words."""

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


def hours(number: float) -> str:
    """A number of hours to two digits, or to the hour: ``0.12``, ``7.5``, ``1,234``."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
