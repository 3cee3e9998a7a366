"""A grid of predictions."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from introsearch.errors import ConfigError
from introsearch.figures.prediction import draw_prediction
from introsearch.theory.predict import predict

X = load_digits().data / 16


def test_a_row_per_setting_and_mode():
    prediction = predict(X, beta=[0.5, 2.0], eta_dec=[0.2, 0.4], latents=8)
    rows = prediction.rows()
    assert len(rows) == 4 * 8
    eigenvalues = np.linalg.eigvalsh(X.T @ X / len(X))[::-1]
    for row in rows:
        assert row["theta"] ** 2 == pytest.approx(eigenvalues[row["mode"] - 1])
        assert row["active"] == (row["theta"] ** 2 > row["beta"] * row["eta_dec"] ** 2)
    for cell in prediction.summary():
        mine = [r for r in rows if (r["beta"], r["eta_dec"]) == (cell["beta"], cell["eta_dec"])]
        assert cell["active"] == sum(r["active"] for r in mine)
        assert cell["kl"] == pytest.approx(sum(r["kl"] for r in mine))


def test_a_condition_leaves_fewer_modes():
    plain = predict(X[:, :32], eta_dec=0.3).summary()[0]
    given = predict(X[:, :32], model="cvae", condition=X[:, 32:], eta_dec=0.3).summary()[0]
    assert 0 < given["active"] < plain["active"]


def test_settings_without_a_minimum_say_so():
    prediction = predict(X, model="hvae", beta2=[0.5, 1.0, 2.0])
    kinds = [cell["minimum"] for cell in prediction.summary()]
    assert kinds == ["none", "flat", "unique"]
    assert any("no minimum" in w for w in prediction.warnings)
    assert any("flat" in w for w in prediction.warnings)
    assert prediction.rows()[0]["kl_z2"] is None


def test_fewer_dimensions_of_z2_serve_the_strongest_modes():
    given = {"model": "hvae", "sigma1": 0.3, "beta2": 1.0, "eta_dec": 0.1, "latents": 6}
    whole, few = predict(X, **given), predict(X, **given, latents_z2=2)
    assert whole.summary()[0]["active_z2"] > 2
    assert few.summary()[0]["active_z2"] == 2
    assert few.summary()[0]["loss"] > whole.summary()[0]["loss"]
    assert few.rows()[:2] == whole.rows()[:2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"beta": [0.5, 1, 2], "eta_dec": [0.1, 0.3]},
        {"model": "cvae", "condition": X[:, :10], "sigma": [0.5] * 16},
        {"model": "hvae", "beta2": [0.5, 1.0, 2.0]},
        {"model": "hvae", "beta2": 0.5},
        {"model": "hvae", "beta2": 3.0, "sigma1": 0.3, "sigma2": [0.3, 0.5]},
    ],
)
def test_every_model_can_be_drawn(arguments):
    assert draw_prediction(predict(X, **arguments), title="t").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"model": "cave"}, "model"),
        ({"model": "cvae"}, "condition"),
        ({"condition": X}, "condition"),
        ({"beta2": 1.0}, "beta2"),
        ({"model": "hvae", "beta": 1.0}, "beta"),
        ({"model": "hvae", "sigma": 1.0}, "sigma"),
        ({"model": "hvae", "sigma1": 0.0}, "sigma1"),
        ({"beta": [1.0, -1.0]}, "beta"),
        ({"latents": 0}, "latents"),
        ({"latents_z2": 2}, "latents_z2"),
        ({"model": "hvae", "beta2": 2.0, "latents_z2": 2}, "latents_z2"),
        ({"model": "hvae", "sigma1": 0.5, "sigma2": 0.5, "latents_z2": 2}, "latents_z2"),
        ({"model": "hvae", "sigma1": 0.5, "latents_z2": 0}, "latents_z2"),
        ({"model": "hvae", "sigma1": 0.5, "latents_z2": 17}, "latents_z2"),
    ],
)
def test_bad_arguments_are_refused(arguments, key):
    with pytest.raises(ConfigError) as error:
        predict(X, **arguments)
    assert error.value.key == key
