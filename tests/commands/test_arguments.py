"""Every command is one entry and one module."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import introsearch.commands
from introsearch import cli
from introsearch.commands.arguments import COMMANDS, Command

SHARED = {"__init__", "arguments", "options", "study_options"}


def test_every_module_is_a_command_or_shared() -> None:
    (folder,) = introsearch.commands.__path__
    modules = {path.stem for path in Path(folder).glob("*.py")}
    assert modules == SHARED | {command.name for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_its_module_runs_it(command: Command) -> None:
    assert callable(importlib.import_module(f"introsearch.commands.{command.name}").run)


def test_the_command_line_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(command.name in said and command.help in said for command in COMMANDS)
    assert all(command.name in (cli.__doc__ or "") for command in COMMANDS)


def test_a_study_may_be_called_like_a_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/none.db"
    assert cli.main(["status", "run", "--tracking-uri", store]) == 2
    assert f"there is no store at {store}" in capsys.readouterr().err
