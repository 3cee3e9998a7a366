"""A real Slurm with two nodes on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fake_slurm.sh")
PROGRAMS = ("sbatch", "slurmctld", "slurmd", "munged")


class FakeSlurm:
    """Its configuration and daemons are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "control.log"
        self.port = free_ports(3)
        self.nodes = (f"n{self.port}x1", f"n{self.port}x2")

    def control(self, *words: str) -> bool:
        """Whether it succeeds; what it says is in `log`."""
        environment = {**os.environ, "SLURM_PORT": str(self.port)}
        with self.log.open("ab") as file:  # daemons would keep a pipe open
            command = [str(SCRIPT), words[0], str(self.folder), *words[1:]]
            done = subprocess.run(command, env=environment, stdout=file, stderr=file)
        return done.returncode == 0

    def kill_node(self, node: str) -> None:
        """As if its power were cut. Slurm finds out after half a minute.

        An srun has a child that cancels its step, on other nodes too, when it sees srun die:
        after the daemons, children die first.
        """
        processes = processes_with(f"SLURMD_NODENAME={node}")
        daemon = int((self.folder / "run" / f"{node}.pid").read_text())
        kill([daemon, *parents_of(processes), *sorted(processes, reverse=True)])

    def give_up_node(self, node: str) -> None:
        """What Slurm does after that half minute."""
        update = ["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed"]
        subprocess.run(update, check=True)

    def start_node(self, node: str) -> None:
        assert self.control("node", node)


def processes_with(*variables: str, command: str = "") -> list[int]:
    """Processes of this Slurm with all of these in their environment."""
    wanted = {f"SLURM_CONF={os.environ['SLURM_CONF']}".encode(), *(v.encode() for v in variables)}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if wanted <= set((folder / "environ").read_bytes().split(b"\0")) and command in line:
                found.append(int(folder.name))
    return found


def parents_of(processes: list[int]) -> set[int]:
    """The daemons of Slurm that have started them for a job."""
    found = set()
    for pid in processes:
        with suppress(OSError):
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            if Path(f"/proc/{parent}/comm").read_text().startswith("slurmstepd"):
                found.add(int(parent))
    return found


def kill(pids: list[int], number: signal.Signals = signal.SIGKILL) -> None:
    assert pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def free_ports(count: int) -> int:
    """The first of that many ports in a row that nobody uses."""
    for first in range(16_000, 20_000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for i, probe in enumerate(sockets):
                probe.bind(("", first + i))
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
        return first
    raise AssertionError("no ports")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeSlurm]:
    paths = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=paths) is None]
    if missing:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)}): apt install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    fake = FakeSlurm(tmp_path_factory.mktemp("slurm"))
    before = {name: os.environ.get(name) for name in ("PATH", "SLURM_CONF")}
    os.environ.update(PATH=paths, SLURM_CONF=str(fake.folder / "etc" / "slurm.conf"))
    try:
        if not fake.control("up"):  # in a container, say, that allows too little
            pytest.skip(f"Slurm does not start here: {fake.log.read_text()[-500:]}")
        yield fake
    finally:
        fake.control("down")
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
