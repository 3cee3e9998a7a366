"""Editions of what defaults and metrics mean: a study keeps the one that it was begun with.

A correction of either is a new edition. The record says which one a study and its trials are of,
and goes on by it, so that old and new numbers never stand in one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

FIRST = 1  # of records that do not say
CURRENT = 2
CHANGES = {
    2: "without the corrections of version 0.2: detach_target is true and pseudo_input_clamp is "
    "clamp unless given, and hist_kl_paper and hist_jsd_paper divide by all samples",
}

_edition = CURRENT


def edition() -> int:
    """The one by which metrics are computed now."""
    return _edition


@contextmanager
def of_edition(number: int) -> Iterator[None]:
    """Compute metrics by an edition in here."""
    global _edition
    before, _edition = _edition, number
    try:
        yield
    finally:
        _edition = before


def difference(number: int) -> str:
    """What an edition lacks of the current one, in words; empty for the current one."""
    return "; ".join(CHANGES[n] for n in range(number + 1, CURRENT + 1))
