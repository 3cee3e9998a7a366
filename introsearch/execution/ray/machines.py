"""Says in a line what Ray says in thirty: that a machine is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray

_LOOK_EVERY_S = 5.0


class MachineWatch:
    """Tells of machines that were part of Ray and are not any more.

    Args:
        notify: is told.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self.notify = notify
        self.alive = _alive()
        self.next_look = 0.0

    def look(self) -> None:
        """To be called often; it looks every few seconds, if there are several machines."""
        if len(self.alive) < 2 or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + _LOOK_EVERY_S
        now = _alive()
        for name in sorted(self.alive[i] for i in self.alive.keys() - now.keys()):
            self.notify(f"{name} has left Ray: trials that ran there go on elsewhere.")
        self.alive = now


def _alive() -> dict[str, str]:
    """Names of machines by Ray's ids of them."""
    return {node["NodeID"]: node["NodeName"] for node in ray.nodes() if node["Alive"]}


def keep_messages(path: Path) -> None:
    """Have Ray append to a file what it would print here about its processes elsewhere.

    Ray 2.60 prints errors of its own processes whatever `log_to_driver` says, by this function of a
    private module, and has no option for where they go.
    """

    def keep(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        with path.open("a") as file:
            file.write("".join(f"({data['pid']}) {line}\n" for line in data["lines"]))

    ray._private.worker.print_to_stdstream = keep
