"""What a trial takes from its machine, as its own process measures it."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Final

import torch

RESIDENT: Final = "resident_bytes"
CPU_SECONDS: Final = "cpu_seconds"
PEAK_GPU: Final = "peak_gpu_bytes"
GPU: Final = "gpu_bytes"


class Usage:
    """Measures this process from one evaluation of a trial to the next.

    Args:
        device: on which the trial trains; what earlier trials of this process left there is freed.
    """

    def __init__(self, device: str) -> None:
        self._is_gpu = torch.device(device).type == "cuda"
        self._cpu = 0.0
        if self._is_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def start(self) -> None:
        """CPU time counts from here until it is read."""
        self._cpu = time.process_time()

    def read(self, *, before: dict[str, float]) -> dict[str, float]:
        """What the trial takes by now.

        Args:
            before: as it was read at the last evaluation, perhaps by another process; or empty.

        Returns:
            `RESIDENT` memory of the process now, `CPU_SECONDS` of all its threads since the trial
            began, and on a GPU `PEAK_GPU`, the most that torch held there since then, in bytes
            (CUDA's own context, some hundred MiB, comes on top), and `GPU`, what the GPU has.
        """
        seconds = time.process_time() - self._cpu
        usage = {
            RESIDENT: float(_resident_bytes()),
            CPU_SECONDS: before.get(CPU_SECONDS, 0.0) + seconds,
        }
        if self._is_gpu:
            held = float(torch.cuda.max_memory_reserved())
            usage[PEAK_GPU] = max(before.get(PEAK_GPU, 0.0), held)
            usage[GPU] = float(torch.cuda.mem_get_info()[1])
        return usage


def peak_resident_bytes() -> int:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024  # what getrusage counts in
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _resident_bytes() -> int:
    """What it holds now; where the kernel does not tell, the most that it has held."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        return peak_resident_bytes()
    return int(pages.read_text().split()[1]) * resource.getpagesize()
