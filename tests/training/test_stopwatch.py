import time

import pytest
import torch

from introsearch.training.spans import span
from introsearch.training.stopwatch import Stopwatch


@pytest.fixture
def taken(monkeypatch):
    """What the calls that follow take, in seconds, by a clock that stands still otherwise."""
    now, steps = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def pass_by(seconds=None):
        now[0] += steps.pop(0) if seconds is None else seconds

    return steps, pass_by


def test_the_fastest_call_counts(taken):
    steps, call = taken
    steps += [3.0, 1.0, 2.0, 0.5]
    assert Stopwatch("cpu").least_seconds(call, calls=3) == 1.0
    assert steps == [0.5]


def test_what_takes_long_is_not_repeated(taken):
    steps, call = taken
    steps += [3.0, 3.0, 3.0, 3.0]
    assert Stopwatch("cpu").least_seconds(call, calls=4, patience_s=5.0) == 3.0
    assert len(steps) == 2
    assert Stopwatch("cpu").least_seconds(call, calls=4, patience_s=0.0) == 3.0
    assert len(steps) == 1


def test_a_call_divides_by_spans(taken):
    _, pass_by = taken

    def iteration():
        pass_by(1.0)
        with span("data"):
            pass_by(2.0)
        with span("step"):
            pass_by(4.0)

    split = {"data": 2.0, "step": 4.0, "rest": 1.0}
    assert Stopwatch("cpu").split(iteration) == (7.0, split)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_work_on_a_gpu_is_waited_for():
    a = torch.randn(8192, 8192, device="cuda")
    watch = Stopwatch("cuda")
    watch.seconds(lambda: a @ a)
    seconds = watch.seconds(lambda: [a @ a for _ in range(10)])
    assert 2 * 8192**3 * 10 / seconds < 2e15  # FLOP/s; as if done at once, if not waited for
