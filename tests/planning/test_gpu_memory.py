"""How many trials share a GPU, by hand."""

from __future__ import annotations

import pytest

from introsearch.planning.gpu_memory import GpuMemory, gpu_memory_text

GIB = 2**30


@pytest.mark.parametrize(
    ("peak", "total", "trials", "share"),
    [
        (2.0, 24.0, 8, 0.12),  # 24 / (2.2 + 0.586) = 8.6
        (2.0, 139.0, 49, 0.02),
        (20.0, 24.0, 1, 1.0),
        (23.0, 24.0, 0, 1.0),
        (0.01, 139.0, 232, 0.01),
    ],
)
def test_by_hand(peak: float, total: float, trials: int, share: float) -> None:
    memory = GpuMemory(int(peak * GIB), int(total * GIB))
    assert (memory.trials, memory.share) == (trials, share)
    assert int(1 / share) <= max(trials, 1) or share == 0.01 or trials * share <= 1


def test_the_line() -> None:
    memory = GpuMemory(2 * GIB, 24 * GIB)
    whole = "GPU memory: a trial holds up to 2 GiB of 24 GiB; 8 fit at a time, "
    assert gpu_memory_text(memory, gpus=0.25) == whole + "with resources.gpus: 0.12"
    assert gpu_memory_text(memory, gpus=0.1) == (
        whole + "with resources.gpus: 0.12, and 0.1 would let 10 run there"
    )
    assert gpu_memory_text(GpuMemory(23 * GIB, 24 * GIB), gpus=1.0).endswith(
        "holds up to 23 GiB of 24 GiB: there is hardly room for one"
    )
