"""How many trials fit into the memory of a GPU."""

from __future__ import annotations

import math
from typing import NamedTuple

_CONTEXT_BYTES = 600 * 2**20  # of CUDA itself, in every process
_STEPS = 10_000  # of a GPU that Ray tells apart
_SPARE = 1.1  # other trials of a kind may take a little more


class GpuMemory(NamedTuple):
    """What trials take of a GPU.

    Attributes:
        peak_bytes: the most that torch held there for one trial.
        total_bytes: of the GPU.
        is_recorded: they took it where they ran, and not just now on this machine.
    """

    peak_bytes: int
    total_bytes: int
    is_recorded: bool = False

    @property
    def trials(self) -> int:
        """How many fit at a time; 0 if not even one does with what is to spare."""
        return math.floor(self.total_bytes / (_SPARE * self.peak_bytes + _CONTEXT_BYTES))

    @property
    def share(self) -> float:
        """The `gpus` in a study's resources with which at most that many trials share a GPU.

        A multiple of the smallest share that Ray knows.
        """
        fit = max(1, self.trials)
        steps = _STEPS // fit
        while _STEPS // steps > fit:
            steps += 1
        return steps / _STEPS


def gpu_memory_text(memory: GpuMemory, *, gpus: float) -> str:
    """A line for people.

    Args:
        memory: what trials take.
        gpus: what the study gives each trial now, above 0.
    """
    peak, total = (f"{size / 2**30:.3g} GiB" for size in memory[:2])
    fit, now = memory.trials, max(1, math.floor(1 / gpus + 1e-9))
    source = "as recorded, a trial held" if memory.is_recorded else "a trial holds"
    text = f"GPU memory: {source} up to {peak} of {total}"
    if not fit:
        return f"{text}: there is hardly room for one"
    text += f"; {fit:,} fit at a time, with resources.gpus: {memory.share:g}"
    return text + (f", and {gpus:g} would let {now:,} run there" if now > fit else "")
