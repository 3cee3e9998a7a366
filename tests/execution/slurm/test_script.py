"""The batch script: complete, valid shell, and with nothing in it that the user did not mean."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from introsearch.cli import main
from introsearch.cluster.file import SlurmCluster
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.execution.slurm.script import render_script

STUDY = (Path(__file__).parents[3] / "search_spaces" / "quickstart.yaml").read_text()
CLUSTER = """\
type: slurm
sbatch: {nodes: 2, partition: gpu, exclusive: true}
setup: [module load "a b"]
"""


def script(
    *command: str,
    folder: str = "/runs/x/slurm",
    setup: str = "module load x",
    **sbatch: str | bool,
) -> str:
    cluster = SlurmCluster(sbatch=dict(sbatch.items()), setup=(setup,), max_requeues=3)
    return render_script(
        cluster, command, name="x", folder=Path(folder), python="/my env/bin/python"
    )


def test_it_is_shell() -> None:
    checked = subprocess.run(["bash", "-n"], input=script("run", "a.yaml"), text=True)
    assert checked.returncode == 0


def test_options_come_first_and_whole() -> None:
    text = script("run", "a.yaml", partition="gpu", exclusive=True)
    head = text[: text.index("\n\n")].splitlines()
    assert head[0] == "#!/bin/bash"
    assert all(line.startswith("#SBATCH --") for line in head[1:])
    assert '#SBATCH --partition="gpu"' in head
    assert "#SBATCH --exclusive" in head
    assert "#SBATCH --requeue" in head
    assert '#SBATCH --signal="B:USR1@120"' in head
    assert '#SBATCH --output="/runs/x/slurm/%j.log"' in head


@pytest.mark.parametrize("option", [{"no-requeue": True}, {"requeue": False}])
def test_the_user_may_forbid_requeueing(option: dict[str, bool]) -> None:
    text = script("run", **option)
    assert "#SBATCH --no-requeue" in text
    assert "#SBATCH --requeue" not in text


def test_the_user_may_do_without_other_defaults() -> None:
    assert "no-kill" not in script("run", **{"no-kill": False})


def test_percent_signs_of_a_path_are_no_patterns() -> None:
    assert '--output="/a%%j/%j.log"' in script("run", folder="/a%j")


def test_words_reach_the_program_as_they_are(tmp_path: Path) -> None:
    """Run by bash, with a program that prints its arguments in the place of Python."""
    words = ["run", "a b.yaml", "--set=x=$(touch injected); `touch injected`", "--name='n'"]
    shown = tmp_path / "shown"
    python = tmp_path / "my env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/bash\n[ "$1" = -c ] || printf "%s\\n" "$@" > {shown}\n')
    python.chmod(0o755)
    text = script(*words, setup="echo a module").replace("/my env/bin/python", str(python))
    done = subprocess.run(["bash", "-s", "--", "4"], input=text, text=True, cwd=tmp_path)
    assert done.returncode == 0
    lines = shown.read_text().splitlines()
    assert lines[:2] == ["-m", "introsearch.execution.slurm.job.supervisor"]
    assert lines[lines.index("--") + 1 :] == words
    assert {"--earlier=4", "--max-requeues=3"} <= set(lines)
    assert not (tmp_path / "injected").exists()


def test_an_environment_without_the_package_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/bash\nexit 1\n")
    python.chmod(0o755)
    text = script("run", setup="true").replace("'/my env/bin/python'", str(python))
    done = subprocess.run(["bash", "-s"], input=text, text=True, capture_output=True)
    assert done.returncode == EXIT_BAD_INPUT
    assert "has no introsearch" in done.stdout
    assert "environment:" in done.stdout


def test_setup_that_fails_ends_the_job_with_its_words() -> None:
    text = script("run", setup='echo "it\'s $HOME"; false')
    done = subprocess.run(["bash", "-s"], input=text, text=True, capture_output=True)
    assert done.returncode == EXIT_BAD_INPUT
    error = done.stdout.splitlines()[1]
    assert error == 'error: setup: fails in the cluster file: echo "it\'s $HOME"; false'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "c.yaml").write_text(CLUSTER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plan_prints_it_and_submits_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    uri = "http://me:secret@server:80"
    words = ["--set", "seed=5", "--name", "n", "--tracking-uri", uri]
    assert main(["plan", "study.yaml", "--cluster", "c.yaml", *words]) == EXIT_DONE
    text = capsys.readouterr().out
    assert f"run {folder}/study.yaml --runs-dir={folder}/runs --set=seed=5" in text
    assert '#SBATCH --partition="gpu"' in text
    assert 'module load "a b"' in text
    assert "secret" not in text
    assert sorted(p.name for p in folder.iterdir()) == ["c.yaml", "study.yaml"]


def test_without_sbatch_nothing_is_submitted(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["run", "study.yaml", "--cluster", "c.yaml"]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert "there is no sbatch" in error
    assert "clusters/local.yaml" in error
    assert sorted(p.name for p in folder.iterdir()) == ["c.yaml", "study.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: slurm", "type: sulrm", ("c.yaml:1", "slurm")),
        ("setup:", "environment: /\nsetup:", ("c.yaml:3", "bin/python")),
        ("setup:", "shared_folder: /nowhere\nsetup:", ("c.yaml:3", "/nowhere")),
    ],
)
def test_a_wrong_cluster_file_is_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    said: tuple[str, ...],
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    (folder / "c.yaml").write_text(CLUSTER.replace(old, new))
    assert main(["run", "study.yaml", "--cluster", "c.yaml"]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    for words in said:
        assert words in error
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("name", ['a"b', "a'b", "a#b", "a\\b", "a$b", "a`b", "a;b", "a\nrm b"])
def test_a_path_cannot_add_to_the_options(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Slurm reads them from lines that no shell has read before."""
    words = ["study.yaml", "--cluster", "c.yaml", f"--runs-dir={name}"]
    assert main(["plan", *words]) == EXIT_BAD_INPUT
    assert "--runs-dir" in capsys.readouterr().err


def test_only_a_job_can_be_detached(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "study.yaml", "--detach"]) == EXIT_BAD_INPUT
    assert "--detach" in capsys.readouterr().err


def test_a_ray_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ray.yaml").write_text("type: ray\naddress: 127.0.0.1:9\n")
    assert main(["run", "study.yaml", "--cluster", "ray.yaml"]) == EXIT_BAD_INPUT
    assert "no Ray answers at 127.0.0.1:9" in capsys.readouterr().err
    assert not (folder / "runs").exists()
