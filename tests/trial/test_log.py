"""What a trial's code prints and logs is in its file, and seen as well where it should be."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from introsearch.trial.log import TrialLog


@contextmanager
def unconfigured() -> Iterator[logging.Logger]:
    """Logging as in a program that has not set it up; pytest does so before each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    try:
        yield root
    finally:
        root.handlers[:], root.level = handlers, level


def make_noise() -> None:
    print("printed")
    print("to errors", file=sys.stderr)
    logging.getLogger("mine").info("an info")
    logging.getLogger("mine").warning("a warning")
    logging.getLogger("mine").debug("a detail")
    os.write(2, b"from below\n")
    subprocess.run(["echo", "from a child"], check=True)


BY_PYTHON = ("printed", "to errors", "INFO mine: an info", "WARNING mine: a warning")
BELOW = ("from below", "from a child")


def test_all_goes_to_the_file_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs" / "trial.log"
    with unconfigured(), TrialLog(path, echo=False).listening() as note:
        note("begins")
        make_noise()
    text = path.read_text()
    assert [text.count(word) for word in (*BY_PYTHON, *BELOW, " begins\n")] == [1] * 7
    assert "a detail" not in text
    assert capfd.readouterr() == ("", "")
    print("seen again")
    os.write(1, b"and below\n")
    assert capfd.readouterr().out.split("\n")[:2] == ["seen again", "and below"]


def test_with_an_echo_all_is_seen_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trial.log"
    before = sys.stdout
    with unconfigured(), TrialLog(path, echo=True).listening():
        make_noise()
        assert sys.stdout.fileno() == before.fileno()  # which input() looks at, and so does pdb
        assert sys.stdout.isatty() == before.isatty()
    assert sys.stdout is before
    text = path.read_text()
    assert [text.count(word) for word in BY_PYTHON] == [1] * len(BY_PYTHON)
    output, errors = capfd.readouterr()
    assert [output.count(word) for word in ("printed", "from a child")] == [1, 1]
    seen = [errors.count(w) for w in ("to errors", "mine: a warning", "from below")]
    assert seen == [1, 1, 1]
    assert "an info" not in errors
    with unconfigured() as root:
        with TrialLog(path, echo=True).listening():
            assert len(root.handlers) == 2
        assert (root.handlers, root.level) == ([], logging.WARNING)


@pytest.mark.parametrize("echo", [True, False])
def test_what_the_user_says_of_logging_holds(tmp_path: Path, echo: bool) -> None:
    own = logging.StreamHandler()
    with unconfigured() as root:
        root.addHandler(own)
        with TrialLog(tmp_path / "trial.log", echo=echo).listening():
            logging.getLogger("mine").info("an info")
            logging.getLogger("mine").error("an error")
        assert root.handlers == [own]
    text = (tmp_path / "trial.log").read_text()
    assert (text.count("an info"), text.count("an error")) == (0, 1)


@pytest.mark.parametrize("echo", [True, False])
def test_what_is_raised_is_kept_and_raised(tmp_path: Path, echo: bool) -> None:
    log = TrialLog(tmp_path / "trial.log", echo=echo)
    before = sys.stdout
    for _ in range(2):  # the second is added
        with pytest.raises(ZeroDivisionError), log.listening():
            print(1 / 0)
    assert sys.stdout is before
    text = (tmp_path / "trial.log").read_text()
    assert text.count("ZeroDivisionError: division by zero\n") == 2


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Whoever can write into a shared folder must not make us write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "trial.log").symlink_to(elsewhere)
    log = TrialLog(tmp_path / "trial.log", echo=False)
    with pytest.raises(OSError, match="symbolic links"), log.listening():
        pass
    assert not elsewhere.exists()
