"""Why a trial crashed, in words that say what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

OUT_OF_MEMORY = (
    "out of memory (let fewer trials run at a time with budget.max_concurrent_trials, or give each "
    "more cpus or gpus in resources)"
)
WORKER_DIED = (
    "its worker died without a word: killed, perhaps for want of memory, or a native crash"
)
_MEMORY_ERRORS = re.compile(
    r"^[\w.]*(?:MemoryError|OutOfMemoryError)\b"  # Python's, NumPy's, PyTorch's, Ray's
    r"|CUDA out of memory"
    r"|DefaultCPUAllocator: (?:can't allocate|not enough) memory"
    r"|killed due to .*(?:low on memory|memory pressure)"  # by Ray's memory monitor
)
_DEAD_WORKER = re.compile(r"The actor died unexpectedly|its worker process has died|Worker crashed")
_ATTEMPT = re.compile(r"^Failure # \d+.*$", re.MULTILINE)
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Died)\b.*")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EVENTS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


def crash_reason(text: str, *, killed_by_kernel: bool = False) -> str:
    """One line about a crash.

    Args:
        text: what Ray Tune keeps of it: the tracebacks of all attempts, one after the other.
        killed_by_kernel: the kernel has killed a process for its memory meanwhile.

    Returns:
        The last attempt's exception; `OUT_OF_MEMORY` and the exception if memory ran out.
    """
    lines = [line.strip() for line in _ATTEMPT.split(text)[-1].splitlines() if line.strip()]
    if not lines:
        return "unknown"
    for line in lines:
        if _MEMORY_ERRORS.search(line):
            return f"{OUT_OF_MEMORY}: {line}"
    if any(_DEAD_WORKER.search(line) for line in lines):
        killer = f"{OUT_OF_MEMORY}: the kernel killed its worker"
        return killer if killed_by_kernel else WORKER_DIED
    return next((line for line in reversed(lines) if _EXCEPTION.match(line)), lines[-1])


def without_colours(text: str) -> str:
    """A traceback as Ray words it, for a file: without the codes that colour a terminal."""
    return _COLOUR.sub("", text)


def kernel_kills() -> int:
    """How many processes the kernel has killed here for their memory; 0 if it does not say."""
    for path in _EVENTS:
        if path.is_file():
            found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
            if found:
                return int(found[1])
    return 0
