"""Ray's temporary folders: nobody else's, and none stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from introsearch.cluster.file import TEMP_FOLDER_LENGTH
from introsearch.errors import ClusterError
from introsearch.execution.slurm.job.private_folder import LENGTH, private_folder, remove_abandoned

LONGEST = 107  # of a socket's path
OF_RAY = "/r/session_2026-11-21_07-56-51_613011_4194304/sockets/plasma_store"


def test_only_this_user_sees_it_and_it_does_not_stay(tmp_path: Path) -> None:
    with private_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "r").mkdir()
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_paths_of_sockets_are_short_enough(tmp_path: Path) -> None:
    with private_folder(tmp_path) as folder:
        assert len(folder.name) == LENGTH
    assert TEMP_FOLDER_LENGTH + len("/") + LENGTH + len(OF_RAY) <= LONGEST


def test_a_full_disk_is_told_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("introsearch.execution.slurm.job.private_folder.ENOUGH_BYTES", 2**62)
    with pytest.raises(ClusterError, match=f"{tmp_path} is full"), private_folder(tmp_path):
        pass


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from introsearch.execution.slurm.job.private_folder import private_folder\n"
        "with private_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'r').mkdir(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    (left,) = tmp_path.iterdir()
    assert (left / "r").is_dir()
    with private_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_folders_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "introsearch-abcdefgh").symlink_to(tmp_path / "target")
    (tmp_path / "introsearch-notes").mkdir()
    (tmp_path / "target").mkdir()
    with private_folder(tmp_path) as alive:
        remove_abandoned(tmp_path)
        assert alive.is_dir()
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "introsearch-12345678").mkdir()
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_where_none_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="temp_folder"), private_folder(tmp_path / "none"):
        pytest.fail("made")
