"""How many trials share a GPU, by hand."""

from __future__ import annotations

import math

import pytest

from introsearch.planning.gpu_memory import GpuMemory, gpu_memory_text

GIB = 2**30


@pytest.mark.parametrize(
    ("peak", "total", "trials", "share"),
    [
        (2.0, 24.0, 8, 0.125),  # 24 / (2.2 + 0.586) = 8.6
        (2.0, 139.0, 49, 0.0204),
        (20.0, 24.0, 1, 1.0),
        (23.0, 24.0, 0, 1.0),
        (0.01, 139.0, 232, 0.0043),
    ],
)
def test_by_hand(peak: float, total: float, trials: int, share: float) -> None:
    memory = GpuMemory(int(peak * GIB), int(total * GIB))
    assert (memory.trials, memory.share) == (trials, share)


def test_the_line() -> None:
    memory = GpuMemory(2 * GIB, 24 * GIB)
    whole = "GPU memory: a trial holds up to 2 GiB of 24 GiB; 8 fit at a time, "
    assert gpu_memory_text(memory, gpus=0.25) == whole + "with resources.gpus: 0.125"
    assert gpu_memory_text(memory, gpus=0.1) == (
        whole + "with resources.gpus: 0.125, and 0.1 would let 10 run there"
    )
    assert gpu_memory_text(GpuMemory(23 * GIB, 24 * GIB), gpus=1.0).endswith(
        "holds up to 23 GiB of 24 GiB: there is hardly room for one"
    )


@pytest.mark.parametrize("fit", range(1, 400))
def test_no_more_share_a_gpu_than_fit(fit: int) -> None:
    size = 1_000 * GIB // fit
    memory = GpuMemory(int((size - 600 * 2**20) / 1.1), 1_000 * GIB)
    assert memory.trials in (fit - 1, fit)
    assert math.floor(1 / memory.share + 1e-9) <= memory.trials
    assert memory.share <= 1.1 / memory.trials
