"""What a trial's code prints and logs is in its file, and seen as well where it should be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from introsearch.trial.log import TrialLog

HEAD = """\
import logging, os, subprocess, sys, warnings
from pathlib import Path
from introsearch.trial.log import TrialLog
log = TrialLog(Path("logs/trial.log"), echo=sys.argv[1] == "echo")
"""
NOISE = """\
with log.listening() as note:
    note("begins")
    print("printed")
    sys.stdout.writelines(["in ", "lines\\n"])
    print("to errors", file=sys.stderr)
    logging.getLogger("mine").info("an info")
    logging.getLogger("mine").warning("a warning")
    logging.getLogger("mine").debug("a detail")
    warnings.warn("warned")
    print("Gr\\u00fc\\u00df")
    sys.stdout.flush()
    os.write(2, b"from below\\n")
    subprocess.run(["echo", "from a child"], check=True)
print("seen again")
os.write(1, b"and below\\n")
logging.getLogger("mine").warning("a last warning")
"""
# Kept by a trial from the first time that it is listened to.
KEPT = """\
with log.listening():
    stream, handler = sys.stdout, logging.StreamHandler()
    own = logging.getLogger("own")
    own.addHandler(handler)
print("between", file=stream)
with log.listening():
    print("later", file=stream)
    own.warning("by its handler")
print("after", file=stream)
own.warning("after it")
"""
CONFIGURED = """\
with log.listening():
    logging.basicConfig(level=logging.DEBUG, format="MINE %(message)s")
    logging.debug("first")
with log.listening():
    logging.debug("second")
"""
REPLACED = """\
class Tee:
    def __init__(self, stream): self.stream = stream
    def write(self, text): self.stream.write(text)
    def flush(self): self.stream.flush()
with log.listening():
    sys.stdout = Tee(sys.stdout)
    print("first")
with log.listening():
    print("second")
"""
DEBUGGED = """\
with log.listening():
    breakpoint()
    print("went on")
"""


class Ran(NamedTuple):
    output: str
    errors: str
    log: str


def run(code: str, folder: Path, *, echo: bool, text: str = "") -> Ran:
    """A program of its own: pytest captures what this process prints."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, "echo" if echo else "silent"],
        cwd=folder, input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = folder / "logs" / "trial.log"
    return Ran(done.stdout, done.stderr, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("echo", [True, False])
def test_all_is_in_the_file(tmp_path: Path, echo: bool) -> None:
    output, errors, log = run(NOISE, tmp_path, echo=echo)
    by_python = (" begins\n", "printed\n", "in lines\n", "to errors\n", "INFO mine: an info\n")
    by_python += ("WARNING mine: a warning\n", "UserWarning: warned\n", "Gr\u00fc\u00df\n")
    assert [log.count(word) for word in by_python] == [1] * len(by_python)
    below = [log.count(word) for word in ("from below\n", "from a child\n")]
    assert below == ([0, 0] if echo else [1, 1])
    assert "a detail" not in log
    assert "seen again" not in log
    assert "last" not in log
    assert output.count("seen again\nand below\n") == 1
    assert errors.count("a last warning\n") == 1  # as Python shows it
    seen = [output.count(word) for word in ("printed\n", "in lines\n", "from a child\n")]
    seen += [errors.count(word) for word in ("to errors", "mine: a warning", "warned\n")]
    assert seen == [int(echo)] * len(seen)
    assert "an info" not in errors


@pytest.mark.parametrize("echo", [True, False])
def test_what_a_trial_keeps_serves_ever_after(tmp_path: Path, echo: bool) -> None:
    output, errors, log = run(KEPT, tmp_path, echo=echo)
    assert log == "later\nby its handler\n" or log.count("\n") == 2
    assert (log.count("later\n"), log.count("by its handler\n")) == (1, 1)
    assert output == ("between\nlater\nafter\n" if echo else "between\nafter\n")
    assert errors == ("by its handler\nafter it\n" if echo else "after it\n")


@pytest.mark.parametrize("echo", [True, False])
def test_what_a_trial_says_of_logging_holds(tmp_path: Path, echo: bool) -> None:
    _, errors, log = run(CONFIGURED, tmp_path, echo=echo)
    assert [log.count(f"{word}\n") for word in ("MINE first", "MINE second")] == [1, 1]
    assert errors == ("MINE first\nMINE second\n" if echo else "")


@pytest.mark.parametrize("echo", [True, False])
def test_a_stream_that_a_trial_puts_in_place_stays(tmp_path: Path, echo: bool) -> None:
    output, _, log = run(REPLACED, tmp_path, echo=echo)
    assert log == "first\nsecond\n"
    assert output == ("first\nsecond\n" if echo else "")


def test_a_debugger_can_ask(tmp_path: Path) -> None:
    output, _, log = run(DEBUGGED, tmp_path, echo=True, text="p 6 * 7\nc\n")
    assert "42" in output
    assert log.endswith("went on\n")


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("error", [ZeroDivisionError("bad"), SystemExit("bye")])
def test_what_is_raised_is_kept_and_raised(
    tmp_path: Path, echo: bool, error: BaseException
) -> None:
    log = TrialLog(tmp_path / "trial.log", echo=echo)
    before = sys.stdout, sys.stderr
    for _ in range(2):  # the second is added
        with pytest.raises(type(error)), log.listening():
            raise error
    assert (sys.stdout, sys.stderr) == before
    assert (tmp_path / "trial.log").read_text().count(f"{type(error).__name__}: {error}\n") == 2


def test_a_file_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No link is followed: who can write into a shared folder must not make us write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "trial.log").symlink_to(elsewhere)
    log = TrialLog(tmp_path / "trial.log", echo=True)
    for _ in range(2):
        with log.listening() as note:
            note("begins")
            print("printed")
    output, errors = capsys.readouterr()
    assert output == "printed\nprinted\n"
    assert errors.count("\n") == 1
    assert errors.startswith(f"there will be no {tmp_path / 'trial.log'}: ")
    assert not elsewhere.exists()
