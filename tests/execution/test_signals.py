"""Signals that end a run, sent to this process itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from introsearch.execution.signals import (
    ENDING,
    Interrupts,
    ending_signals_interrupt,
    signals_not_lost,
)


@pytest.fixture(autouse=True)
def unchanged_handlers() -> Iterator[None]:
    """As pytest has set them, whatever a test does."""
    numbers = (*ENDING, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def receive(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
    signal.signal(number, handler)
    signal.raise_signal(number)


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("on_ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
def test_an_ending_signal_interrupts(number: signal.Signals, on_ctrl_c: signal.Handlers) -> None:
    """In a shell's background job too, which ignores Ctrl-C."""
    signal.signal(signal.SIGINT, on_ctrl_c)
    with pytest.raises(KeyboardInterrupt), ending_signals_interrupt():
        signal.raise_signal(number)


def test_whoever_handles_ctrl_c_is_told_and_only_once() -> None:
    told: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: told.append(number))
    with ending_signals_interrupt():
        for number in ENDING:
            signal.raise_signal(number)
    signal.raise_signal(signal.SIGTERM)  # while the process ends
    assert told == [ENDING[0]]


def test_a_run_that_nobody_ended_leaves_no_handlers() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with ending_signals_interrupt():
        assert before != [signal.getsignal(number) for number in ENDING]
    assert before == [signal.getsignal(number) for number in ENDING]


def test_handlers_are_kept_from_those_who_set_their_own() -> None:
    numbers = (*ENDING, signal.SIGINT)
    with ending_signals_interrupt():
        before = [signal.getsignal(number) for number in numbers]
        with signals_not_lost():
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)
        assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("number", [*ENDING, signal.SIGINT])
def test_a_signal_that_others_swallow_is_not_lost(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), ending_signals_interrupt(), signals_not_lost():
        receive(number, lambda number, frame: None)
    assert signal.set_wakeup_fd(-1) == -1


def test_others_who_end_the_process_end_only_the_run() -> None:
    with pytest.raises(KeyboardInterrupt), ending_signals_interrupt(), signals_not_lost():
        receive(signal.SIGTERM, lambda number, frame: sys.exit(number))


def test_without_a_signal_nothing_is_changed() -> None:
    with pytest.raises(SystemExit), signals_not_lost():
        sys.exit(1)
    with signals_not_lost():
        receive(signal.SIGUSR2, lambda number, frame: None)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)


APART = """
import os, subprocess
from introsearch.execution.signals import children_apart
group = os.getpgrp()
with children_apart():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
print(os.getpgrp() == group, os.getpgid(child.pid) == group, child.poll())
child.communicate()
"""


def test_a_signal_to_our_group_does_not_reach_what_is_started_apart() -> None:
    """As `timeout` sends it: Ray must be there still when its trials are stopped."""
    done = subprocess.run([sys.executable, "-c", APART], capture_output=True, text=True, check=True)
    assert done.stdout == "True False None\n"


def record(*numbers: signal.Signals) -> list[str]:
    """What happens if signals come while something is being recorded."""
    seen = []
    try:
        with Interrupts() as interrupts:
            with interrupts.held():
                for number in numbers:
                    signal.raise_signal(number)
                seen.append("recorded")
            seen.append("went on")
    except KeyboardInterrupt:
        seen.append("interrupted")
    return seen


def test_what_is_held_is_done_before_the_interrupt() -> None:
    assert record() == ["recorded", "went on"]
    assert record(signal.SIGINT) == ["recorded", "interrupted"]
    assert record(signal.SIGINT, signal.SIGINT) == ["interrupted"], "the second does not wait"


def test_outside_of_what_is_held_it_interrupts_at_once_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", ENDING)
def test_a_background_job_ignores_ctrl_c_but_not_the_end(number: signal.Signals) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ending_signals_interrupt():
        assert record(signal.SIGINT) == ["recorded", "went on"]
        assert record(number) == ["recorded", "interrupted"]
