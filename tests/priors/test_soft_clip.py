import math

import pytest
import torch

from introsearch.priors.soft_clip import soft_clip

LOW, HIGH = torch.tensor([-3.0, 1.0]).double(), torch.tensor([2.0, 5.0]).double()


def clip(v, low=LOW, high=HIGH):
    return soft_clip(v, low, high, sharpness=10.0)


def test_is_the_formula_of_equation_10():
    v = torch.linspace(-6, 8, 41).double()[:, None].expand(-1, 2)
    b = 10 / (HIGH - LOW)
    softplus = lambda t: (1 + (b * t).exp()).log() / b  # noqa: E731
    torch.testing.assert_close(clip(v), v - softplus(v - HIGH) + softplus(LOW - v))


def kept_share(sharpness):
    """(f(high) - f(low)) / (high - low), by eq. 96."""
    return 1 - 2 * (math.log(2) - math.log1p(math.exp(-sharpness))) / sharpness


def test_keeps_the_share_of_the_range_that_equation_96_asks_for():
    share = (clip(HIGH[None]) - clip(LOW[None])) / (HIGH - LOW)
    assert kept_share(10.0) == pytest.approx(0.8614, abs=1e-4)
    assert share.tolist()[0] == pytest.approx([kept_share(10.0)] * 2)
    assert kept_share(9.0) < 0.85 < kept_share(10.0)


@pytest.mark.parametrize("far", [1e3, 1e6, 1e30])
def test_saturates_at_the_bounds_without_overflow(far):
    v = torch.tensor([[far, far], [-far, -far]], dtype=torch.float, requires_grad=True)
    out = clip(v, LOW.float(), HIGH.float())
    out.sum().backward()
    assert v.grad.isfinite().all()
    if far < 1e6:
        torch.testing.assert_close(out, torch.stack([HIGH, LOW]).float(), atol=1e-3, rtol=0)


def test_is_the_identity_well_inside():
    middle = (0.5 * (LOW + HIGH))[None]
    torch.testing.assert_close(clip(middle), middle)


def test_an_empty_range_is_that_constant_with_finite_gradients():
    v = torch.tensor([[3.0], [7.0]], requires_grad=True)
    out = clip(v, torch.tensor([1.5]), torch.tensor([1.5]))
    out.sum().backward()
    assert out.flatten().tolist() == [1.5, 1.5]
    assert v.grad.isfinite().all()
