"""`introsearch bench` as a user meets it."""

import json
import subprocess
import sys

import pytest

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_SOME_FAILED

STUDY = """\
name: small
trainer: sintrovae
method: grid
metric: {name: active_units}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters: {iterations: 100, warmup_iterations: 40, handover_iterations: 5, batch_size: 8}
variants:
  points: {dataset: rings, hidden_units: 8}
  images: {dataset: mnist}
  killed: {dataset: deadly:Deadly}
evaluate_every: 50
resources: {cpus: 1}
"""


VARIANTS = ("points", "images", "killed")
DEADLY = """\
import os
from introsearch.data.toy import ToyData


class Deadly(ToyData):
    half_width = 1.0

    def sample(self, n, generator):
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--threads", "0"], "at least 1"),
        (["--set", "iterations=5"], "none is given"),
        (["--data-dir", "images"], "none is given"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_bad_input_is_one_clear_error(capsys, arguments, words):
    assert main(["bench", *arguments]) == EXIT_BAD_INPUT
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") <= 3


@pytest.mark.slow
def test_variants_are_measured_and_data_looked_for_where_the_options_say(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY)
    (tmp_path / "deadly.py").write_text(DEADLY)
    command = [sys.executable, "-m", "introsearch", "bench", "s.yaml", "--json"]
    command += ["--data-dir", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_SOME_FAILED
    said = done.stderr.splitlines()
    assert said[::2] == [f"measuring {i} of 3: {v}" for i, v in enumerate(VARIANTS, 1)]
    assert "it/s" in said[1]
    measured = json.loads(done.stdout)
    assert measured["points"]["speedup"] > 0
    assert str(tmp_path / "nowhere") in measured["images"]["error"]
    assert "killed" in measured["killed"]["error"]
