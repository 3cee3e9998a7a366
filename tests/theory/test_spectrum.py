"""What a data matrix must be, and what is said of a doubtful one."""

import numpy as np
import pytest

from introsearch.errors import ConfigError
from introsearch.theory.spectrum import data_spectrum

RNG = np.random.default_rng(0)


def test_singular_values_of_the_uncentred_second_moment():
    x = RNG.standard_normal((200, 5)) * [3, 2, 1, 0.5, 0.1] + 1
    spectrum = data_spectrum(x)
    np.testing.assert_allclose(spectrum.theta, np.linalg.svd(x / 200**0.5)[1], atol=1e-12)
    assert spectrum.energy == pytest.approx((x**2).sum(axis=1).mean())
    assert spectrum.notes == ()


def test_a_residual_has_what_no_linear_function_of_the_condition_explains():
    x = RNG.standard_normal((500, 3))
    noise = RNG.standard_normal((500, 2))
    y = x @ RNG.standard_normal((3, 2)) + noise
    a, exy, eyy = x.T @ x / 500, x.T @ y / 500, y.T @ y / 500
    expected = np.linalg.eigvalsh(eyy - exy.T @ np.linalg.solve(a, exy))[::-1]
    np.testing.assert_allclose(data_spectrum(y, condition=x).theta ** 2, expected, atol=1e-12)


def test_what_the_condition_determines_leaves_exactly_nothing():
    x = RNG.standard_normal((300, 4))
    assert (data_spectrum(x @ RNG.standard_normal((4, 4)), condition=x).theta == 0).all()


def test_fewer_samples_than_dimensions_says_by_how_much():
    x = RNG.standard_normal((100, 400))
    spectrum = data_spectrum(x)
    assert len(spectrum.theta) == 400
    (note,) = spectrum.notes
    for words in ("(100)", "(400)", "from 1 to 9 times", "300 would be 0"):
        assert words in note
    measured = spectrum.theta[:100] ** 2
    assert 0.9 < measured.min() < measured.max() < 9.5


def test_a_condition_of_high_rank_says_how_much_it_explains_by_chance():
    y, x = RNG.standard_normal((200, 3)), RNG.standard_normal((200, 100))
    spectrum = data_spectrum(y, condition=x)
    assert "about 50%" in spectrum.notes[-1]
    assert (spectrum.theta**2).mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("value", "said"), [(0, "add no mode"), (2, "4 is part of")])
def test_constant_columns_are_named(value, said):
    x = RNG.standard_normal((50, 3))
    x[:, 1] = value
    (note,) = data_spectrum(x).notes
    assert "(1)" in note
    assert said in note


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([[1.0, float("nan")], [float("inf"), 2.0]], "row 0, column 1"),
        ([1.0, 2.0], "[2]"),
        (np.zeros((0, 3)), "[0, 3]"),
        ([["a", "b"]], "real numbers"),
        (np.ones((2, 2), complex), "complex"),
        ([[1.0], [1.0, 2.0]], "no array"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(data, said):
    with pytest.raises(ConfigError) as error:
        data_spectrum(data)
    assert said in str(error.value)
    assert error.value.key == "data"


def test_rows_must_belong_together():
    with pytest.raises(ConfigError, match="5 rows and the data 4"):
        data_spectrum(np.eye(4), condition=np.ones((5, 2)))
