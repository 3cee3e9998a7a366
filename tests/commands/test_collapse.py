"""`introsearch collapse predict` as a user meets it."""

import json

import numpy as np
import pytest
import torch

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.data.quadrants import split_quadrants
from introsearch.training.shallow.rows import image_rows, moment_theta

PREDICT = ["collapse", "predict"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *arguments):
    assert main([*PREDICT, *arguments]) == EXIT_DONE
    return capsys.readouterr().out


def test_a_table_and_a_figure(capsys, folder):
    text = said(capsys, "--data", "digits", "--beta", "1", "2", "--figure", "out.png")
    assert "1,437 samples, 64 dimensions" in text
    assert len(text.splitlines()[-3].split()) == 6
    assert [path.name for path in folder.iterdir()] == ["out.png"]


def test_json_of_a_file_of_ones_own(capsys, folder):
    x = np.random.default_rng(0).standard_normal((500, 2, 3))
    np.save("x.npy", x)
    found = json.loads(said(capsys, "--data", "x.npy", "--json", "--eta-dec", "0.5"))
    assert found["num_samples"] == 500
    assert len(found["spectrum"]) == 6
    assert [mode["active"] for mode in found["modes"]] == [True] * 6 + [False] * 10


def test_images_are_completed_from_a_quadrant(capsys):
    found = json.loads(said(capsys, "--data", "digits", "--model", "cvae", "--json"))
    assert len(found["spectrum"]) == 48
    of_one = json.loads(
        said(capsys, "--data", "digits", "--model", "cvae", "--label", "1", "--json")
    )
    assert of_one["num_samples"] < 200
    assert any("constant columns of the condition" in text for text in of_one["warnings"])


@pytest.mark.parametrize("condition", ["quadrant", "label"])
def test_trainers_predict_from_the_same_spectrum(capsys, condition):
    arguments = ("--data", "digits", "--model", "cvae", "--condition", condition, "--json")
    found = json.loads(said(capsys, *arguments))
    rows = image_rows("digits", device=torch.device("cpu"), condition=condition).train
    expected = moment_theta(rows.second, dims=rows.dims)
    assert found["spectrum"] == pytest.approx(expected.tolist(), abs=1e-6)


def test_points_and_a_condition_of_ones_own(capsys):
    assert "2 dimensions" in said(capsys, "--data", "rings", "--latents", "2")
    np.save("c.npy", np.ones((1_437, 1)))
    assert "cvae" in said(capsys, "--data", "digits", "--model", "cvae", "--condition", "c.npy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "digit"], ["'digit'", "'digits'", ".npy"]),
        (["--data", "gone.npy"], ["gone.npy"]),
        (["--data", "bad.npy"], ["bad.npy", "numpy.save"]),
        (["--data", "nan.npy"], ["row 1, column 0"]),
        (["--data", "digits", "--model", "gan"], ["'gan'", "vae"]),
        (["--data", "nan.npy", "--model", "cvae"], ["condition"]),
        (["--data", "digits", "--condition", "quadrant"], ["has no condition"]),
        (
            ["--data", "digits", "--model", "cvae", "--condition", "label", "--label", "1"],
            ["label", "tells nothing"],
        ),
        (["--data", "nan.npy", "--model", "cvae", "--condition", "label"], ["only images"]),
        (["--data", "digits", "--label", "12"], ["12", "0 to 9"]),
        (["--data", "rings", "--label", "1"], ["no labels"]),
        (["--data", "digits", "--beta", "0"], ["beta", "positive"]),
        (["--data", "digits", "--latents", "-1"], ["latents"]),
        (["--data", "mnist"], ["data folder"]),
        (["--data", "digits", "--figure", "no/where.png"], ["no folder"]),
    ],
)
def test_bad_input_is_one_clear_error(folder, capsys, arguments, words):
    np.save("nan.npy", [[1.0, 2.0], [np.nan, 1.0]])
    (folder / "bad.npy").write_text("not an array")
    assert main([*PREDICT, *arguments]) == EXIT_BAD_INPUT
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    for word in words:
        assert word in output.err


def test_quadrants():
    images = torch.arange(2 * 1 * 4 * 4).reshape(2, 1, 4, 4)
    rest, given = split_quadrants(images)
    assert given[0].tolist() == [8, 9, 12, 13]
    assert rest[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 14, 15]
    rest, given = split_quadrants(images.numpy())
    assert (rest.shape, given.shape) == ((2, 12), (2, 4))
