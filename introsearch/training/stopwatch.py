"""Times work on a device, and how it divides by a trainer's own spans."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from introsearch.training.spans import SpanClock


class Stopwatch:
    """Takes the time of calls, from an idle device until it has done all that they told it.

    Args:
        device: where the work is done.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = torch.device(device)

    def seconds(self, do: Callable[[], object]) -> float:
        """What a call takes."""
        self._synchronise()
        start = time.perf_counter()
        do()
        self._synchronise()
        return time.perf_counter() - start

    def least_seconds(
        self, do: Callable[[], object], *, calls: int, patience_s: float = math.inf
    ) -> float:
        """What the fastest of several calls takes.

        Args:
            do: what is called.
            calls: how many there are at most.
            patience_s: seconds of all calls together, after which there is no other.
        """
        taken = [self.seconds(do)]
        while len(taken) < calls and sum(taken) < patience_s:
            taken.append(self.seconds(do))
        return min(taken)

    def split(self, do: Callable[[], object]) -> tuple[float, dict[str, float]]:
        """What a call takes, and how that divides: seconds by span, and `rest` outside them."""
        clock = SpanClock(self._synchronise)
        with clock.measuring():
            seconds = self.seconds(do)
        return seconds, clock.seconds | {"rest": seconds - sum(clock.seconds.values())}

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
