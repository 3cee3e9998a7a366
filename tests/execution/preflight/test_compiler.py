"""A compiler that does not work ends a run that needs one before anything starts."""

import pytest

from introsearch.cli import main
from introsearch.data.folder import VARIABLE

STUDY = """\
name: small
trainer: vae
metric: {name: fid_gen}
groups: [dataset]
seeds: {select: [], report: [0]}
parameters: {dataset: mnist, train_images: 40, batch_size: 20, iterations: 2, num_samples: 30}
"""


def test_a_missing_compiler(
    tmp_path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "study.yaml").write_text(STUDY)
    monkeypatch.setattr("introsearch.training.compilation.compiler_fault", lambda device: "no g++")
    assert main(["run", "study.yaml", "--set", "parameters.compile=true"]) == 2
    text = capsys.readouterr().err
    assert "torch.compile does not work here: no g++" in text
    assert text.count("\n") <= 3
    assert main(["run", "study.yaml", "--set", "parameters.compile=auto"]) == 2
    assert "MNIST" in capsys.readouterr().err
