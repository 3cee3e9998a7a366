"""Numbers, durations, settings and tables in words, for whoever reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def count(number: int, noun: str) -> str:
    """So many of a thing: ``1 trial``, ``1,234 trials``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


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


def setting(value: object, *, null: str = "null", full: bool = False) -> str:
    """A setting's value as a study file writes it: ``true``, ``0.05``, ``[64, 128]``.

    Args:
        value: a plain value, or one of NumPy's; NaN, which no setting is, shows as ``-``.
        null: for None.
        full: a number with all of its digits, not with four.
    """
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, list):
        return f"[{', '.join(setting(each, null=null, full=full) for each in value)}]"
    if value is None or isinstance(value, bool):
        return {None: null, True: "true", False: "false"}[value]
    if isinstance(value, float):
        return "-" if math.isnan(value) else repr(value) if full else f"{value:.4g}"
    return str(value)


def aligned(rows: Sequence[Sequence[str]], *, num_left: int = 1) -> list[str]:
    """Lines of a table whose columns are of equal width.

    Args:
        rows: as many cells each; the header is one of them.
        num_left: the first so many columns, of words, stand to the left, the others to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < num_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
