"""A study on a real MLflow server that stalls, and then dies in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from introsearch.record import tags
from introsearch.record.runs import runs_of
from introsearch.statuses import Status

STUDY = """\
name: outage
trainer: sintrovae
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.2]}
  iterations: 400
  warmup_iterations: 50
  lr_milestones: []
  batch_size: 16
  hidden_units: 16
variants:
  sg: {prior: gaussian}
evaluate_every: 20
"""
TIMEOUT_S = 120
pytestmark = pytest.mark.slow


class Server:
    """`mlflow server` on a SQLite file, in a session of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {
            "--workers": "1",
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--backend-store-uri": f"sqlite:///{self.folder / 'server.db'}",
            "--artifacts-destination": str(self.folder / "artifacts"),
        }
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *(w for o in options.items() for w in o)],
            env={**os.environ, **quiet},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def trials(self) -> list[str]:
        """Status of every seed run; empty as long as there is no study."""
        client = MlflowClient(tracking_uri=self.uri)
        experiment = client.get_experiment_by_name("outage")
        if experiment is None:
            return []
        runs = runs_of(client, experiment.experiment_id, level="seed")
        return [run.data.tags[tags.STATUS] for run in runs]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "too slow"
        time.sleep(0.2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def start(server: Server, *, retries: int) -> subprocess.Popen[str]:
    (server.folder / "outage.yaml").write_text(STUDY)
    options = ["--tracking-uri", server.uri, "--set", "budget.max_concurrent_trials=1"]
    return subprocess.Popen(
        [sys.executable, "-m", "introsearch", "run", "outage.yaml", *options],
        cwd=server.folder,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_a_server_that_stalls_and_dies_loses_nothing(server: Server) -> None:
    first = start(server, retries=1)
    wait_for(lambda: bool(server.trials()))
    server.send(signal.SIGSTOP)
    time.sleep(5)
    server.send(signal.SIGCONT)
    wait_for(lambda: Status.FINISHED in server.trials())
    assert first.poll() is None, "too fast: the server must die in the middle"
    server.kill()
    output, _ = first.communicate(timeout=TIMEOUT_S)
    assert first.returncode == 1
    assert "does not answer any more" in output
    assert "the same command continues" in output
    assert "Traceback" not in output

    server.start()
    second = start(server, retries=1)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output
    assert "already recorded" in output
    assert server.trials() == [Status.FINISHED] * 3
