"""What a process takes; on a GPU, by what torch would say there."""

from __future__ import annotations

import time

import pytest
import torch

from introsearch.trial.usage import CPU_SECONDS, GPU, PEAK_GPU, RESIDENT, Usage


def test_memory_and_time() -> None:
    usage = Usage("cpu")
    usage.start()
    before = usage.read(before={})
    held = torch.ones(30_000_000)
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = usage.read(before={CPU_SECONDS: 5.0})
    assert after[RESIDENT] - before[RESIDENT] == pytest.approx(held.nbytes, rel=0.1)
    assert 5.1 < after[CPU_SECONDS] < 7
    assert set(after) == {RESIDENT, CPU_SECONDS}


def test_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("free"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 700)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (100, 1_000))
    usage = Usage("cuda")
    assert calls == ["free", "reset"]
    usage.start()
    found = usage.read(before={PEAK_GPU: 500.0})
    assert (found[PEAK_GPU], found[GPU]) == (700.0, 1_000.0)
    assert usage.read(before={PEAK_GPU: 800.0})[PEAK_GPU] == 800.0  # before it was restarted
