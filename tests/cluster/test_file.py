"""Cluster files: what they may say, and that a mistake is told with its place and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from introsearch.cli import main
from introsearch.cluster.file import (
    LocalCluster,
    RayCluster,
    SlurmCluster,
    load_cluster,
    seconds_of,
)
from introsearch.cluster.schema import cluster_schema
from introsearch.errors import ConfigError
from introsearch.study.file.document import parse_value, read_document

CLUSTERS = Path(__file__).parents[2] / "clusters"
SLURM = """\
type: slurm
sbatch:
  nodes: 2
  time: 1-02:00:00
  constraint: "[a100|h100]&ib"
  comment: two words
  exclusive: true
  mem: null
setup:
  - module load cuda
  - source "$HOME/x.sh"; export A=1
environment: ~/venv
signal_before_end_s: 90
"""
VALIDATOR = Draft202012Validator(cluster_schema())


def load(folder: Path, text: str) -> object:
    (folder / "c.yaml").write_text(text)
    return load_cluster(folder / "c.yaml")


def faults(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(parse_value(text, file="x"))]


@pytest.mark.parametrize("path", sorted(CLUSTERS.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_files_are_valid(path: Path) -> None:
    load_cluster(path)
    assert not list(VALIDATOR.iter_errors(read_document(path).data))


def test_shipped_files_show_every_key_of_slurm() -> None:
    text = (CLUSTERS / "slurm.yaml").read_text()
    for key in SlurmCluster.model_fields:
        assert f"\n{key}:" in text or f"\n# {key}:" in text, key


def test_a_slurm_file_is_read(tmp_path: Path) -> None:
    cluster = load(tmp_path, SLURM)
    assert isinstance(cluster, SlurmCluster)
    assert cluster.sbatch == {
        "nodes": 2,
        "time": "1-02:00:00",
        "constraint": "[a100|h100]&ib",
        "comment": "two words",
        "exclusive": True,
    }
    assert cluster.setup == ("module load cuda", 'source "$HOME/x.sh"; export A=1')
    assert cluster.environment == str(Path("~/venv").expanduser())
    assert (cluster.signal_before_end_s, cluster.max_requeues) == (90, 20)
    assert not faults(SLURM)


def test_what_is_on_by_default_can_be_off(tmp_path: Path) -> None:
    cluster = load(tmp_path, "type: slurm\nsbatch: {requeue: false, exclusive: false}")
    assert isinstance(cluster, SlurmCluster)
    assert cluster.sbatch == {"requeue": False}


def test_the_other_types_are_read(tmp_path: Path) -> None:
    assert load(tmp_path, "type: local") == LocalCluster()
    assert load(tmp_path, "type: ray\naddress: node-1.x:6379") == RayCluster(
        address="node-1.x:6379"
    )


@pytest.mark.parametrize(
    ("old", "new", "said", "schema_sees"),
    [
        ("type: slurm", "type: slrum", ("c.yaml:1", "type", "'slurm'"), True),
        ("type: slurm\n", "", ("c.yaml:1", "'type' is missing", "add type"), True),
        ("setup:", "setpu:", ("c.yaml:9", "setpu", "'setup'"), True),
        ("sbatch:\n", "sbatches:\n", ("c.yaml:2", "'sbatch'"), True),
        ("  time:", "  Time:", ("c.yaml:4", "sbatch.Time", "'time'"), True),
        ("nodes: 2", "cpus_per_task: 2", ("c.yaml:3", "'cpus-per-task'"), True),
        ("nodes: 2", "--nodes: 2", ("c.yaml:3", "'nodes'"), True),
        ("nodes: 2", "array: 0-9", ("c.yaml:3", "sbatch.array", "one job"), True),
        ("nodes: 2", "arr: 0-9", ("c.yaml:3", "sbatch.arr", "one job"), False),
        ("nodes: 2", "n: 2", ("c.yaml:3", "sbatch.n", "long names"), True),
        ("nodes: 2", "signal: B:USR1@9", ("c.yaml:3", "signal_before_end_s"), True),
        ("nodes: 2", "nodes: [2]", ("c.yaml:3", "sbatch.nodes", "[2]"), True),
        ("nodes: 2", "nodes: 2.5", ("c.yaml:3", "sbatch.nodes", "2.5"), True),
        ("nodes: 2", "nodes: ''", ("c.yaml:3", "sbatch.nodes"), True),
        ("two words", '"x\\n#SBATCH --uid=0"', ("c.yaml:6", "sbatch.comment"), True),
        ("two words", "x; rm -rf /", ("c.yaml:6", "sbatch.comment"), True),
        ("two words", "$(id)", ("c.yaml:6", "sbatch.comment"), True),
        ("two words", "'a\" --uid=0 \"b'", ("c.yaml:6", "sbatch.comment"), True),
        ("1-02:00:00", "1:30", ("c.yaml:4", "sbatch.time", "signal_before_end_s (90 s)"), False),
        ("- module load cuda", "- 3", ("c.yaml:10", "setup.0", "must be text"), True),
        ("~/venv", "$HOME/venv", ("c.yaml:12", "environment", "expanded"), False),
        ("~/venv", "3", ("c.yaml:12", "environment"), True),
        ("signal_before_end_s: 90", "signal_before_end_s: 5", ("c.yaml:13", "10"), True),
        ("signal_before_end_s: 90", "max_requeues: -1", ("c.yaml:13", "max_requeues"), True),
        (
            "~/venv",
            f"~/venv\ntemp_folder: /{'a' * 20}",
            ("c.yaml:13", "temp_folder", "socket"),
            False,
        ),
    ],
)
def test_a_wrong_slurm_file_is_refused(
    tmp_path: Path, old: str, new: str, said: tuple[str, ...], schema_sees: bool
) -> None:
    assert SLURM.count(old) == 1
    text = SLURM.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    for words in said:
        assert words in str(caught.value) + repr(caught.value.key)
    assert caught.value.hint
    assert not schema_sees or faults(text)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = SLURM.replace("nodes: 2", "nodes: [2]").replace("time:", "Time:")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text.replace("~/venv", "$HOME/venv").replace("setup:", "setpu:"))
    assert [(error.line, error.key) for error in caught.value.all] == [
        (3, "sbatch.nodes"), (4, "sbatch.Time"), (9, "setpu"), (12, "environment")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "type: ray",
        "type: ray\naddress: localhost",
        "type: ray\naddress: 'a b:80'",
        "type: ray\naddress: h:70000",
        "type: ray\naddress: h:80\ntoken_file: 3",
        "type: local\naddress: h:80",
        "type: slurm",
        "type: 3",
        "",
        "- type: slurm",
    ],
)
def test_other_wrong_files_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.file.endswith("c.yaml")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        (90, 5400),
        ("1:30", 90),
        ("2:00:05", 7205),
        ("1-2", 93600),
        ("1-2:3", 93780),
        ("1-2:3:4", 93784),
        ("UNLIMITED", None),
        (0, None),
    ],
)
def test_times_are_read_as_sbatch_reads_them(text: str | int, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_the_schema_describes_every_key() -> None:
    Draft202012Validator.check_schema(cluster_schema())
    for case in cluster_schema()["allOf"]:
        for name, schema in case["then"]["properties"].items():
            assert name == "type" or schema["description"], name


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "cluster"]) == 0
    assert "signal_before_end_s" in capsys.readouterr().out
