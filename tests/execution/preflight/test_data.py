"""What is missing or damaged ends a run before anything starts."""

import pytest

from introsearch.cli import main
from introsearch.data.folder import VARIABLE
from tests.data.idx import write_mnist

STUDY = """\
name: small
trainer: vae
metric: {name: fid_gen}
groups: [dataset]
seeds: {select: [], report: [0]}
parameters: {dataset: mnist, train_images: 40, batch_size: 20, iterations: 2, num_samples: 30}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def refused(capsys, *options):
    assert main(["run", "study.yaml", *options]) == 2
    return capsys.readouterr().err


def test_a_missing_data_set(study, capsys):
    text = refused(capsys)
    assert f"there is no {study / 'data/MNIST/raw/train-images-idx3-ubyte'}" in text
    assert "--data-dir" in text
    assert {path.name for path in study.iterdir()} == {"study.yaml"}


def test_a_damaged_one_in_the_folder_of_the_option(study, capsys):
    write_mnist(study / "elsewhere")
    file = study / "elsewhere/MNIST/raw/t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-5])
    assert f"{file} is truncated" in refused(capsys, "--data-dir", "elsewhere")


def test_a_subset_of_the_published_split(study, capsys):
    write_mnist(study / "data", train=30)
    text = refused(capsys)
    assert "40 train images are asked for, and there are 30" in text
    assert "train_images: 30" in text


def test_weights_of_inception(study, capsys):
    write_mnist(study / "data")
    text = refused(capsys, "--set", "feature_extractor=inception")
    assert "no Inception weights" in text


def test_a_metric_for_other_data(study, capsys):
    text = refused(capsys, "--set", "metric.name=hist_kl")
    assert "metric.name: hist_kl is for points" in text
    assert "fid_gen" in text
