"""Labels of groups, e.g. ``rings / sg``: members of a block, here of `rings`, are compared."""

from __future__ import annotations

from collections.abc import Iterable

_BETWEEN = " / "


def group_label(parts: Iterable[str]) -> str:
    """The label of the group that these values tell apart from others."""
    return _BETWEEN.join(parts)


def label_parts(label: str) -> list[str]:
    """The values again."""
    return label.split(_BETWEEN)


def group_block(label: str) -> str:
    """All but the last part; empty if there is but one."""
    return label.rpartition(_BETWEEN)[0]


def group_member(label: str) -> str:
    """The last part."""
    return label.rpartition(_BETWEEN)[2]


def blocks_and_members(labels: Iterable[str]) -> tuple[list[str], list[str]]:
    """The blocks and the members that several groups have, each once, in their order."""
    groups = list(labels)
    blocks, members = map(group_block, groups), map(group_member, groups)
    return list(dict.fromkeys(blocks)), list(dict.fromkeys(members))
