"""The command line: bad input is told apart, told in full, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from pathlib import Path

import pytest

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE, EXIT_SOME_FAILED

STUDY = """\
name: small
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2]}
parameters:
  dataset: rings
  beta_kl: {values: [0.1, 0.3]}
  iterations: 3000
variants:
  sg: {prior: gaussian}
  ip: {prior: mog, components: 8, intro_prior: true}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, arguments: list[str], *said: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(arguments) == EXIT_BAD_INPUT
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "Traceback" not in output.err
    for words in said:
        assert words in output.err
    assert sorted(folder.rglob("*")) == before, "something was written"


def test_a_runs_folder_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "file").touch()
    arguments = ["run", "study.yaml", "--runs-dir", "file"]
    assert_refused(capsys, folder, arguments, "error: --runs-dir: ", "is a file, not a folder")


def test_a_full_disk_is_told_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["schema", "study"]) == EXIT_SOME_FAILED
    assert capsys.readouterr().err.startswith("error: No space left on device\n  hint: ")


def test_a_terminal_need_not_know_all_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, "ascii", write_through=True))
    assert main(["plan", "gr\u00f6\u00dfe.yaml"]) == EXIT_BAD_INPUT
    assert written.getvalue().startswith(b"error: gr??e.yaml: no such file")


def test_plan_counts_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "study.yaml"]) == EXIT_DONE
    text = capsys.readouterr().out
    assert "rings / sg" in text
    assert "4 select trials, 4 report trials" in text
    assert [path.name for path in folder.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("groups:", "grups:", ("study.yaml:5", "grups", "groups")),
        ("dataset: rings", "dataset: ring", ("study.yaml:8", "dataset", "'rings'")),
        ("{values: [0.1, 0.3]}", "{values: [0.1, x]}", ("study.yaml:9", "beta_kl", "'x'")),
        ("beta_kl:", "beta_lk:", ("study.yaml:9", "beta_lk", "beta_kl")),
        ("trainer: sintrovae", "trainer: introvae", ("study.yaml:2", "introvae", "sintrovae")),
        ("hist_kl_paper", "hist_kl_papr", ("study.yaml:4", "hist_kl_papr", "hist_kl_paper")),
        ("prior: mog", "prior: mig", ("study.yaml:13", "mig", "mog")),
        ("[dataset, variant]", "[dataset, variants]", ("study.yaml:5", "variants")),
        ("{prior: gaussian}", "{prior: gaussian", ("study.yaml",)),
    ],
)
def test_a_wrong_file_is_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    old: str,
    new: str,
    said: tuple[str, ...],
) -> None:
    assert STUDY.count(old) == 1
    (folder / "study.yaml").write_text(STUDY.replace(old, new))
    assert_refused(capsys, folder, [command, "study.yaml"], *said)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nonsense", "nonsense"),
        ("nonsense=1", "nonsense"),
        ("iterations=many", "iterations"),
        ("budget.max_hour=1", "max_hours"),
        ("=3", ""),
        ("iterations=[", "iterations"),
    ],
)
def test_a_wrong_override_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], override: str, said: str
) -> None:
    assert_refused(capsys, folder, ["run", "study.yaml", "--set", override], said)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_missing_file_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert_refused(capsys, folder, ["run", name], name)


def test_a_file_that_is_no_text_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "binary.yaml").write_bytes(b"\x80\x00\xff" * 10)
    assert_refused(capsys, folder, ["run", "binary.yaml"], "binary.yaml")


@pytest.mark.parametrize("name", ["../elsewhere", "a b", ""])
def test_a_wrong_name_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert_refused(capsys, folder, ["run", "study.yaml", "--name", name], "name")


def test_a_store_that_does_not_answer_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        arguments = ["run", "study.yaml", "--tracking-uri", uri]
        assert_refused(capsys, folder, arguments, uri, "does not answer", "--tracking-uri")
    assert time.monotonic() - start < 60  # by default MLflow tries for minutes


def test_a_store_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for uri, words in (("mlruns", "no address"), ("sqlite:///study.yaml", "no SQLite database")):
        assert_refused(capsys, folder, ["run", "study.yaml", "--tracking-uri", uri], words)
        assert_refused(capsys, folder, ["report", "small", "--tracking-uri", uri], words)


def test_a_runs_folder_that_is_a_file_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(
        capsys, folder, ["run", "study.yaml", "--runs-dir", "study.yaml"], "not a folder"
    )


def test_a_report_without_a_store_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(capsys, folder, ["report", "small"], "there is no store", "--runs-dir")


def test_a_report_of_an_unknown_study_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], empty_database: Path
) -> None:
    arguments = ["report", "small", "--tracking-uri", f"sqlite:///{empty_database}"]
    assert_refused(capsys, folder, arguments, "no study 'small'")
    arguments[1] = "Default"  # MLflow's own
    assert_refused(capsys, folder, arguments, "no study 'Default'")


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run"], ["plan", "a", "b"]])
def test_a_wrong_command_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == EXIT_BAD_INPUT
    assert "usage" in capsys.readouterr().err


def test_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "study.yaml", "--json"]) == EXIT_DONE
    total = json.loads(capsys.readouterr().out)["total"]
    assert (total["select_trials"], total["report_trials"]) == (4, 4)


@pytest.mark.slow
def test_plan_with_costs(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = [f"--set={key}" for key in ("hidden_units=8", "batch_size=8", "num_draws=2")]
    Path("job.yaml").write_text("type: slurm\nsbatch: {nodes: 3, cpus-per-task: 9}\n")
    cluster = ["--cluster", "job.yaml"]
    assert main(["plan", "study.yaml", "--json", "--costs", *tiny, *cluster]) == EXIT_DONE
    output = capsys.readouterr()
    assert "timing 1 of" in output.err
    assert "a job with 27 cores" in output.err
    costs = json.loads(output.out)["costs"]
    assert costs["stages"]["report"]["core_hours"] > 0
    assert costs["expected_wall_seconds"] > 0
    assert costs["parallel_trials"] == 27


@pytest.mark.slow
def test_in_this_process_one_trial_trains_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = [f"--set={key}" for key in ("hidden_units=8", "batch_size=8", "num_draws=2")]
    options = ["--json", "--costs", "--cluster", "inline", *tiny]
    assert main(["plan", "study.yaml", *options]) == EXIT_DONE
    output = capsys.readouterr()
    assert "wall-clock is for" not in output.err
    assert json.loads(output.out)["costs"]["parallel_trials"] == 1
