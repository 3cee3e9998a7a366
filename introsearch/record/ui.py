"""MLflow's web pages on a store, for as long as the user looks at them."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import BinaryIO

from mlflow import MlflowClient

from introsearch.errors import ConfigError, IntrosearchError
from introsearch.record.address import without_user
from introsearch.record.runs import find_experiment, runs_of
from introsearch.record.store import store_errors
from introsearch.record.views import CONFIGURATIONS, SEEDS, TAG

HOST = "127.0.0.1"  # the pages ask for no password
FIRST_PORT = 5000
NUM_PORTS = 100
_START_S = 120.0  # it imports for seconds, on a busy machine for much longer
STOP_S = 10.0
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that we have no work for
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@store_errors
def show_pages(client: MlflowClient, name: str | None = None, *, port: int | None = None) -> None:
    """Print where the pages are, and serve them until Ctrl-C, unless a server does already.

    Args:
        client: of the store.
        name: of a study; all of them unless given.
        port: on this machine; a free one unless given.

    Raises:
        ConfigError: no such study, or the port is in use.
        IntrosearchError: the server ended.
    """
    uri, places = client.tracking_uri, pages(client, name)
    if uri.startswith("http"):
        _announce(without_user(uri).rstrip("/"), places)
        return
    port = free_port(port)
    print("MLflow's server starts, which takes some seconds ...", file=sys.stderr, flush=True)
    try:
        with served(uri, port=port) as server:
            _announce(f"http://{HOST}:{port}", places)
            print("Ctrl-C ends it.", flush=True)
            server.wait()
            raise IntrosearchError("MLflow's server has ended", hint="start it again")
    except KeyboardInterrupt:
        return


def _announce(address: str, places: Mapping[str, str]) -> None:
    width = max(map(len, places), default=0)
    for study, place in places.items():
        print(f"{study:<{width}}  {address}{place}", flush=True)
    if not places:
        print(f"{address}  (no study is recorded yet)", flush=True)


def pages(client: MlflowClient, name: str | None = None) -> dict[str, str]:
    """Where the store's studies are, below the server's address, by name.

    A study that is asked for alone has views of its configurations and reported seeds too.

    Args:
        client: of the store.
        name: of the only study that is wanted.

    Raises:
        ConfigError: the store has no such study.
    """
    if name is not None:
        return _views(client, name, find_experiment(client, name))
    return {
        e.name: f"/#/experiments/{e.experiment_id}/runs"
        for e in client.search_experiments(order_by=["name ASC"])
        if any(runs_of(client, e.experiment_id, level="study"))
    }


def _views(client: MlflowClient, name: str, experiment_id: str) -> dict[str, str]:
    place = f"/#/experiments/{experiment_id}/runs"
    tags = client.get_experiment(experiment_id).tags
    shown = {"configurations": CONFIGURATIONS, "reported seeds": SEEDS}
    named = {title: f"{place}?viewStateShareKey={key}" for title, key in shown.items()}
    return {name: place} | {t: named[t] for t, key in shown.items() if TAG + key in tags}


def free_port(wanted: int | None = None) -> int:
    """The wanted port, or the first free one from 5000 on.

    Raises:
        ConfigError: the wanted port is in use.
    """
    ports = range(FIRST_PORT, FIRST_PORT + NUM_PORTS) if wanted is None else (wanted,)
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ConfigError(
        f"port {ports[0]} is in use" if wanted else f"no port from {FIRST_PORT} on is free",
        key="--port",
        hint="leave --port out to use a free one" if wanted else "name a free one with --port",
    )


@contextmanager
def served(uri: str, *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server on a store, answering; nothing of it is left when the context ends.

    Args:
        uri: of the store.
        port: on this machine alone.

    Raises:
        IntrosearchError: it ended, or did not answer in time.
    """
    with _signals_end_it(), tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(port),
            env={**os.environ, **_ENVIRONMENT, "MLFLOW_BACKEND_STORE_URI": uri},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end all of its processes
        )
        try:
            _wait_until_it_answers(process, port, log)
            yield process
        finally:
            _end(process)


def _command(port: int) -> list[str]:
    """Without the store's address, which may hold a password."""
    options = ("--host", HOST, "--port", str(port), "--workers", "1")
    return [sys.executable, "-m", "mlflow", "server", *options]


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Let a polite kill, or a closed terminal, unwind like Ctrl-C."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: BinaryIO) -> None:
    deadline = time.monotonic() + _START_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            what = "did not answer in time" if process.poll() is None else "ended at once"
            raise IntrosearchError(
                f"MLflow's server {what}: {' | '.join(said[-3:])[:500]}",
                hint="`mlflow server --help` says what it can do; --port gives it another port",
            )
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it has started, which are one process group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # impatience would leave it running
    for number, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, 1.0)):
        deadline = time.monotonic() + patience_s
        if _signal_group(process, number):
            while _signal_group(process, 0) and time.monotonic() < deadline:
                time.sleep(0.05)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """False if nothing of the group is left."""
    process.poll()  # an ended leader that nobody has asked for would count as alive
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
