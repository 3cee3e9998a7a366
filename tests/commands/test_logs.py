"""`introsearch logs`: the log of a trial that the record knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from introsearch.cli import main
from introsearch.commands import logs
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.files import log_path
from introsearch.record.recorder import open_recorder
from introsearch.study.search.expand import expand, select_trials
from tests.conftest import Load, close, open_quickly


@pytest.fixture
def names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load, small: str, empty_database: Path
) -> list[str]:
    """Two trials of a study that are recorded as running."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "mlflow.db"
    path.parent.mkdir()
    path.write_bytes(empty_database.read_bytes())
    client = open_quickly(path)
    study = load(small)
    recorder = open_recorder(client, study, folder=tmp_path / "runs" / study.name)
    trials = select_trials(study, expand(study))[:2]
    for trial in trials:
        recorder.start(trial)
    close(client)
    return [trial.name for trial in trials]


def test_it_is_printed_and_followed(
    names: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log_path("runs/small", names[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"first\nr\xff\n")
    assert main(["logs", names[0][:8]]) == EXIT_DONE
    assert capsys.readouterr().out == "first\nr\ufffd\n"

    more = iter([b"second", b" line\n"])

    def sleep(seconds: float) -> None:
        added = next(more, None)
        if added is None:
            raise KeyboardInterrupt
        with path.open("ab") as file:
            file.write(added)

    monkeypatch.setattr(logs.time, "sleep", sleep)
    assert main(["logs", "-f", names[0]]) == EXIT_DONE
    assert capsys.readouterr().out == "first\nr\ufffd\nsecond line\n"


def test_what_cannot_be_printed(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", names[1]]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert f"the trial {names[1]} of the study small is running, and " in error
    assert "--runs-dir" in error
    assert main(["logs", "nothing"]) == EXIT_BAD_INPUT
    assert "no trial's name starts with 'nothing'" in capsys.readouterr().err
