"""MLflow's pages: reachable from this machine alone, and gone when the user is."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.errors import ConfigError, IntrosearchError
from introsearch.record import tags, ui
from introsearch.record.ui import free_port, pages, served, show_pages


def add_study(client: MlflowClient, name: str) -> str:
    experiment_id = str(client.create_experiment(name))
    client.create_run(experiment_id, tags={tags.LEVEL: "study"})
    return experiment_id


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((ui.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_pages_of_one_study_or_all(client: MlflowClient) -> None:
    second, first = add_study(client, "second"), add_study(client, "first")
    assert pages(client, "second") == {"second": f"/#/experiments/{second}/runs"}
    assert list(pages(client).items()) == [
        ("first", f"/#/experiments/{first}/runs"),
        ("second", f"/#/experiments/{second}/runs"),
    ], "MLflow's own experiment is no study"
    with pytest.raises(ConfigError) as caught:
        pages(client, "secnd")
    assert "did you mean 'second'?" in caught.value.hint


def test_a_port_in_use_is_refused_or_passed_over(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=f"port {taken} is in use"):
        free_port(taken)
    monkeypatch.setattr(ui, "FIRST_PORT", taken)
    assert taken < free_port() < taken + ui.NUM_PORTS
    monkeypatch.setattr(ui, "NUM_PORTS", 1)
    with pytest.raises(ConfigError, match=f"no port from {taken} on is free"):
        free_port()


def test_a_server_that_is_there_already_is_only_named(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment_id = add_study(client, "far")
    monkeypatch.setattr(ui, "served", None)
    monkeypatch.setattr(ui, "pages", lambda _, name: {name: f"/#/experiments/{experiment_id}"})
    there = SimpleNamespace(tracking_uri="http://me:secret@example.org:80/")
    show_pages(there, "far")  # type: ignore[arg-type]
    assert capsys.readouterr().out == f"far  http://example.org:80/#/experiments/{experiment_id}\n"


def test_a_server_that_ends_at_once_is_told(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    command = [sys.executable, "-c", "print('one'); print('no such store'); raise SystemExit(3)"]
    monkeypatch.setattr(ui, "_command", lambda port: command)
    monkeypatch.setattr(ui, "_answers", lambda port: False)
    said = r"ended at once: one \| no such store"
    with pytest.raises(IntrosearchError, match=said), served("sqlite:///x", port=taken):
        pass


# Two processes in one group: one that would be left, and does not listen to a polite request.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""


@pytest.mark.parametrize("program", [STUBBORN, "raise SystemExit"])
def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(ui, "STOP_S", 0.5)
    monkeypatch.setattr(ui, "_command", lambda port: [sys.executable, "-c", program])
    monkeypatch.setattr(ui, "_answers", lambda port: True)
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with served("sqlite:///x", port=1) as process:
        time.sleep(1.0)
        started = [process.pid, *descendants(process.pid)]
    assert not [one for one in started if alive(one)]
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == handlers


def test_bad_input_starts_nothing(
    client: MlflowClient, taken: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    add_study(client, "there")
    store = ["--tracking-uri", client.tracking_uri]
    assert main(["ui", "their", *store]) == EXIT_BAD_INPUT
    assert "did you mean 'there'?" in capsys.readouterr().err
    assert main(["ui", "there", "--port", str(taken), *store]) == EXIT_BAD_INPUT
    assert "--port" in capsys.readouterr().err
    assert main(["ui", "--runs-dir", str(tmp_path / "none")]) == EXIT_BAD_INPUT
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, EXIT_DONE), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_the_command_serves_until_told_to_end(
    client: MlflowClient, tmp_path: Path, number: int, code: int
) -> None:
    experiment_id = add_study(client, "served")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "introsearch",
            "ui",
            "served",
            "--tracking-uri",
            client.tracking_uri,
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "starts" in process.stdout.readline(), "it is silent for long otherwise"
        line = process.stdout.readline()
        assert line.startswith("served  http://127.0.0.1:5"), line
        assert line.rstrip().endswith(f"/#/experiments/{experiment_id}/runs")
        port = int(line.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection(ui.HOST, port, timeout=30)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        children = descendants(process.pid)
        assert children
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stdout.read() == "Ctrl-C ends it.\n"
        assert not [child for child in children if alive(child)]
        assert list(folder.iterdir()) == []
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def descendants(parent: int) -> list[int]:
    """Process ids of children, their children, and so on."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [parent]
    for one in found:
        found += [child for child, its_parent in parents.items() if its_parent == one]
    return found[1:]


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
