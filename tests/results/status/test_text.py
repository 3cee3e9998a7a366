"""How a study's status looks on a terminal and in a file."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from introsearch.results.status.model import STATES, GroupStatus, StudyStatus, TrialStatus
from introsearch.results.status.text import show_status
from introsearch.statuses import Status


def counts(**numbers: int) -> dict[str, int]:
    return {state: numbers.get(state.replace(" ", "_"), 0) for state in STATES}


STOPPED = TrialStatus(
    name="0123456789ab-s0",
    stage="select",
    groups=("rings / sg",),
    config_id="0123456789ab",
    seed=0,
    status=Status.STOPPED,
    iteration=12_000,
    iterations=30_000,
    value=18.123456,
    decision="rung 1 at 12,000: 9th of 12, keep 4",
    end_ms=0,
)
DIVERGED = replace(
    STOPPED,
    name="fedcba987654-s0",
    status=Status.DIVERGED,
    value=None,
    decision="",
    reason="loss term 'kl' is not finite at iteration 7 [of course]",
)
STATUS = StudyStatus(
    study="looks",
    metric="hist_kl_paper",
    goal="minimize",
    state=Status.RUNNING,
    active=True,
    groups=(
        GroupStatus(
            stage="select",
            group="rings / sg",
            counts=counts(finished=1_234, stopped=1, pending=2),
            best=18.30234504193549,
            config_id="8f4a6fbe9137",
        ),
        GroupStatus(stage="select", group="rings / ip", counts=counts(diverged=1)),
        GroupStatus(
            stage="select",
            group="",
            counts=counts(finished=1_234, stopped=1, diverged=1, pending=2),
        ),
    ),
    trials=(STOPPED, DIVERGED),
    num_others=3,
    eta_seconds=600.0,
    at_once=2.0,
    last_ms=0,
)


def shown(status: StudyStatus, *, terminal: bool = False, width: int = 120, **more: bool) -> str:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, width=width, highlight=False, color_system=None
    )
    show_status(status, console=console, **more)
    return file.getvalue()


def test_a_file_gets_plain_aligned_lines() -> None:
    text = shown(STATUS, width=20)
    lines = text.splitlines()
    assert lines[0] == "looks (minimize hist_kl_paper): running"
    assert lines[1].startswith("1,236 of 1,238 trials ended, last evaluation ")
    assert lines[1].endswith("about 10 min to go, 2.0 at a time")
    assert lines[2].startswith("3 more recorded trials")
    header = "stage group finished stopped diverged pending best configuration"
    assert [line.split() for line in lines[4:8]] == [
        header.split(),
        ["select", "rings", "/", "sg", "1,234", "1", "2", "18.3", "8f4a6fbe9137"],
        ["rings", "/", "ip", "1"],
        ["all", "1,234", "1", "1", "2"],
    ]
    assert lines[4].index("best") + len("best") == lines[5].index("18.3") + len("18.3")
    assert "0123456789ab-s0  rings / sg  stopped  rung 1 at 12,000: 9th of 12, keep 4" in text
    assert "diverged  loss term 'kl' is not finite at iteration 7 [of course]" in text
    assert all(line == line.rstrip() and line.isascii() for line in lines)


def test_the_cost_of_evaluations() -> None:
    assert "evaluations" not in shown(STATUS)
    assert "evaluations take 18% of the time" in shown(replace(STATUS, evaluation_share=0.18))


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_a_terminal_gets_lines_that_fit(width: int) -> None:
    text = shown(STATUS, terminal=True, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert ("configuration" in text) == (width > 60)
    for word in ("finished", "stopped", "diverged", "1,234", "18.3", "9th of"):
        assert word in text


def test_trials_are_listed_when_asked_for() -> None:
    assert "18.12" not in shown(STATUS)
    text = shown(STATUS, all_trials=True)
    (line,) = [line for line in text.splitlines() if "18.12" in line]
    assert line.split()[:8] == [
        "0123456789ab-s0", "select", "rings", "/", "sg", "0", "stopped", "12,000"
    ]  # fmt: skip
    assert line.endswith("rung 1 at 12,000: 9th of 12, keep 4")


def test_a_narrow_terminal_has_a_line_per_trial() -> None:
    text = shown(STATUS, terminal=True, width=80, all_trials=True).partition("Trials\n")[2]
    header, *lines = [line.split() for line in text.splitlines()]
    assert header == ["trial", "stage", "group", "seed", "status", "iteration", "value"]
    assert lines[0] == [
        "0123456789ab-s0", "select", "rings", "/", "sg", "0", "stopped", "12,000", "18.12"
    ]  # fmt: skip
    assert len(lines) == 2 + 1
    assert "why" in lines[-1]


def test_collapsed_trials_are_counted_and_marked() -> None:
    assert "collapsed" not in shown(STATUS, all_trials=True)
    collapsed = replace(STATUS, trials=(replace(STOPPED, active_units=0.0), DIVERGED))
    text = shown(collapsed, all_trials=True)
    assert "1 trial has collapsed: a latent without an active unit" in text.splitlines()
    assert "collapsed; rung 1 at 12,000: 9th of 12, keep 4" in text
    both = replace(STATUS, trials=(replace(STOPPED, active_units=0.0),) * 2)
    assert "2 trials have collapsed" in shown(both)


@pytest.mark.parametrize(
    ("state", "active", "words"),
    [
        (Status.RUNNING, None, "running, as far as the record says"),
        (Status.FINISHED, False, "finished"),
        (Status.FAILED, False, "trials failed or a group has no winner"),
        (Status.INTERRUPTED, False, "`introsearch run` continues it"),
    ],
)
def test_the_headline_says_what_to_do(state: str, active: bool | None, words: str) -> None:
    text = shown(replace(STATUS, state=state, active=active))
    assert words in text.splitlines()[0]
    assert ("to go" in text) == (state == Status.RUNNING)
