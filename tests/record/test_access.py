"""A real MLflow server behind a gate that asks for a name and a password, as its own app does."""

from __future__ import annotations

import base64
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch import cli
from introsearch.record.store import open_store
from tests.record.test_store_outage import STUDY, Server

pytestmark = pytest.mark.slow
USERS = {"writer": "open sesame", "reader": "let me look"}
SECRET = "not-this-one"


class Gate(BaseHTTPRequestHandler):
    """Lets the reader look at what there is and the writer do everything, and nobody else in."""

    server_uri = ""

    def do_GET(self) -> None:
        self._pass_on(None)

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _pass_on(self, body: bytes | None) -> None:
        user = self._user()
        if user is None:
            return self._answer(401, b"You are not authenticated.")
        if user == "reader" and not (body is None or self.path.endswith("search")):
            return self._answer(403, b"Permission denied")
        request = urllib.request.Request(self.server_uri + self.path, data=body)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request) as response:
                return self._answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            return self._answer(error.code, error.read())

    def _user(self) -> str | None:
        kind, _, code = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(code).decode().partition(":")
        return user if kind == "Basic" and USERS.get(user) == password else None

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def port(server: Server) -> Iterator[int]:
    Gate.server_uri = server.uri
    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as gate:
        thread = threading.Thread(target=gate.serve_forever)
        thread.start()
        yield gate.server_address[1]
        gate.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("user", "password", "in_address", "words"),
    [
        (None, None, False, "does not accept anyone without a name and a password"),
        ("writer", SECRET, False, "does not accept the user 'writer' with this password"),
        ("stranger", SECRET, False, "does not accept the user 'stranger' with this password"),
        ("writer", SECRET, True, "does not accept the user 'writer' with this password"),
        ("reader", USERS["reader"], False, "does not let the user 'reader' do what is needed"),
    ],
)
def test_who_is_refused_learns_it_before_anything_starts(
    user: str | None,
    password: str | None,
    in_address: bool,
    words: str,
    server: Server,
    port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place = f"127.0.0.1:{port}"
    monkeypatch.chdir(tmp_path)
    if user and password and not in_address:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    Path("outage.yaml").write_text(STUDY)
    uri = f"http://{user}:{password}@{place}" if in_address else f"http://{place}"
    assert cli.main(["run", "outage.yaml", "--tracking-uri", uri]) == 2
    out, err = capfd.readouterr()
    assert err.startswith("error: --tracking-uri: the MLflow server http://")
    assert words in err
    assert "MLFLOW_TRACKING_USERNAME" in err
    assert len(err.splitlines()) == 2
    assert "Traceback" not in out + err
    assert not password or password not in out + err
    assert not list(tmp_path.glob("runs/*/checkpoints"))
    assert [e.name for e in MlflowClient(server.uri).search_experiments()] == ["Default"]


def test_who_may_is_let_in(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "writer")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", USERS["writer"])
    open_store(f"http://127.0.0.1:{port}").create_experiment("allowed")
