"""Signals that end a run, sent to this process itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from introsearch.execution.signals import ENDING, ending_signals_interrupt, kept_handlers


@pytest.fixture(autouse=True)
def unchanged_handlers() -> Iterator[None]:
    """As pytest has set them, whatever a test does."""
    numbers = (*ENDING, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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
    with ending_signals_interrupt():
        before = signal.getsignal(signal.SIGTERM)
        with kept_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is before
