"""MMD against its closed form for Gaussians."""

import pytest
import torch

from introsearch.metrics.mmd import bandwidths_of, mmd_squared

H = 1.3


def expected_kernel(mu_1, cov_1, mu_2, cov_2):
    eye = torch.eye(2, dtype=torch.float64)
    d = (mu_1 - mu_2)[:, None]
    total = cov_1 + cov_2
    scale = torch.linalg.det(eye + total / H**2) ** -0.5
    return scale * (-0.5 * d.T @ torch.linalg.inv(total + H**2 * eye) @ d).exp().squeeze()


def test_estimate_is_the_closed_form():
    zero, eye = torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    mu = torch.tensor([0.7, -0.2], dtype=torch.float64)
    cov = torch.tensor([[0.5, 0.2], [0.2, 0.8]], dtype=torch.float64)
    exact = (
        expected_kernel(zero, eye, zero, eye)
        + expected_kernel(mu, cov, mu, cov)
        - 2 * expected_kernel(zero, eye, mu, cov)
    )
    assert exact.item() == pytest.approx(0.099488, abs=1e-6)
    torch.manual_seed(0)
    x = torch.randn(5_000, 2)
    y = mu.float() + torch.randn(5_000, 2) @ torch.linalg.cholesky(cov).float().T
    estimate = mmd_squared(x, y, bandwidths=[H])
    assert estimate.item() == pytest.approx(exact.item(), abs=0.005)
    assert mmd_squared(y, x, bandwidths=[H]).item() == pytest.approx(estimate.item(), abs=1e-12)


def test_it_is_zero_on_average_if_nothing_differs():
    torch.manual_seed(0)
    values = torch.stack(
        [mmd_squared(*torch.randn(2, 200, 2), bandwidths=[0.5, 1.0]) for _ in range(60)]
    )
    assert abs(values.mean()) < 3 * values.std() / 60**0.5
    assert (values < 0).any()


def test_it_is_the_plain_double_sum():
    torch.manual_seed(0)
    x, y = torch.randn(300, 3), torch.randn(270, 3) + 0.3

    def kernel(a, b):
        squared = (a[:, None] - b[None]).square().sum(dim=2).double()
        return ((-squared / 2 / 0.7**2).exp() + (-squared / 2 / 2.0**2).exp()) / 2

    xx, yy = kernel(x, x).fill_diagonal_(0), kernel(y, y).fill_diagonal_(0)
    plain = xx.sum() / 300 / 299 + yy.sum() / 270 / 269 - 2 * kernel(x, y).mean()
    torch.testing.assert_close(mmd_squared(x, y, bandwidths=[0.7, 2.0]), plain, rtol=0, atol=1e-7)


def test_bandwidths_follow_the_reference():
    z = torch.randn(500, 2)
    median = torch.cdist(z, z)[torch.ones(500, 500).triu(1).bool()].median().item()
    assert bandwidths_of(z) == pytest.approx([w * median for w in (0.25, 0.5, 1, 2)], rel=1e-4)
    for h, k in zip(bandwidths_of(3 * z), bandwidths_of(z), strict=True):
        assert h == pytest.approx(3 * k, rel=1e-5)
