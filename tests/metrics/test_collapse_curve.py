"""(epsilon, delta)-collapse, where its closed form is known."""

import pytest
import torch
from scipy import stats

from introsearch.metrics.collapse_curve import (
    collapse_levels,
    collapsed_shares,
    ranked,
    unit_numbers,
)


def test_levels_are_those_of_gaussian_means():
    """KL = a + mu^2 / 2 with mu ~ N(0, lam^2): a quantile of chi^2 with one degree of freedom."""
    lam, std = torch.tensor([0.0, 0.3, 1.5]), torch.tensor([1.0, 0.8, 0.2])
    mu = lam * torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    a = 0.5 * (std**2 - 1 - 2 * std.log())
    levels = collapse_levels(a + mu**2 / 2, delta=0.1)
    expected = (a + lam**2 / 2 * stats.chi2.ppf(0.9, df=1)).sort().values
    torch.testing.assert_close(levels.double(), expected.double(), rtol=0.02, atol=0)


def test_a_dimension_collapses_above_its_level():
    kl = torch.arange(100.0)[:, None] / 100  # P[KL < 0.95] is 0.95
    (level,) = collapse_levels(kl).tolist()
    for epsilon in (level, level + 1e-6):
        share = float((kl < epsilon).double().mean())
        assert (share >= 0.95) == (epsilon > level)


def test_shares_and_ranks():
    kl = torch.tensor([[0.0, 0.05, 0.5, 5.0]]).expand(10, 4)
    assert collapsed_shares(kl) == {
        "collapsed/0.01": 0.25, "collapsed/0.1": 0.5, "collapsed/1": 0.75,
    }  # fmt: skip
    values = torch.tensor([1.0, torch.nan, 3.0, torch.inf])
    assert sorted(ranked("x", values).values()) == [1.0, 3.0]
    assert ranked("x", torch.tensor([1.0, 3.0])) == {"x/01": 3.0, "x/02": 1.0}
    assert len(ranked("x", torch.rand(100))) == 64


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_broken_posterior_has_not_collapsed(broken):
    numbers = unit_numbers(torch.full((10, 2), broken), torch.zeros(10, 2))
    assert numbers["collapsed/1"] == 0.0
