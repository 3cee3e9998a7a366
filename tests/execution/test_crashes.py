"""What a crash is called; the texts are what Ray Tune keeps of real ones."""

from __future__ import annotations

import pytest

from introsearch.execution.crashes import (
    OUT_OF_MEMORY,
    WORKER_DIED,
    crash_reason,
    kernel_kills,
)

HEAD = "Failure # 1 (occurred at 2026-11-21_04-53-09)\n"
FRAMES = """\
\x1b[36mray::T.train()\x1b[39m (pid=26840, ip=192.0.2.2)
  File "trainer.py", line 6, in step
    raise MemoryError_or_not(x)  # MemoryError
"""
DEAD = """\
The actor died unexpectedly before finishing this task.
\tclass_name: T
\tpid: 26839
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit \
detail: Worker unexpectedly exits with a connection error code 2. End of file. Some common causes \
include: (1) the process was killed by the OOM killer due to high memory usage, (2) ray stop \
--force was called, or (3) the worker crashed unexpectedly due to SIGSEGV.
"""


@pytest.mark.parametrize(
    "line",
    [
        "MemoryError",
        "MemoryError: Unable to allocate 8.00 TiB",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 TiB for an array",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 1152921504606846976 bytes.",
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
        "Task was killed due to the node running low on memory.",
    ],
)
def test_running_out_of_memory_says_so(line: str) -> None:
    assert crash_reason(f"{HEAD}{FRAMES}{line}\n\n") == f"{OUT_OF_MEMORY}: {line}"
    assert OUT_OF_MEMORY.startswith("out of memory")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown"),
        (f"{HEAD}{FRAMES}ValueError: two\nlines of text\n\n", "ValueError: two"),
        (f"{HEAD}{FRAMES}my_module.Odd: what\n", "my_module.Odd: what"),
        (f"{HEAD}{FRAMES}MemoryError\n\n{HEAD}{FRAMES}KeyError: 'x'\n", "KeyError: 'x'"),
        (HEAD + DEAD, WORKER_DIED),
    ],
)
def test_other_crashes_are_named_by_the_last_exception(text: str, reason: str) -> None:
    assert crash_reason(text) == reason
    assert not crash_reason(text).startswith("out of memory")


def test_a_worker_that_the_kernel_killed_is_out_of_memory() -> None:
    assert crash_reason(HEAD + DEAD, killed_by_kernel=True).startswith("out of memory")
    assert crash_reason(f"{HEAD}ValueError: x", killed_by_kernel=True) == "ValueError: x"


def test_the_kernel_counts() -> None:
    assert kernel_kills() >= 0
