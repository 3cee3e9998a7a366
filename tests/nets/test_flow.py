"""The flow against automatic differentiation and quadrature."""

import math

import pytest
import torch

from introsearch.nets.flow import RealNVP
from introsearch.priors.flow import FlowPrior, log_normal


def flow_of(latent_dim, *, num_blocks=3, seed=0):
    """In double precision, with last layers that are not zero any more."""
    torch.manual_seed(seed)
    flow = RealNVP(latent_dim, num_blocks=num_blocks, hidden_units=16).double()
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return flow


@pytest.mark.parametrize("latent_dim", [2, 3, 6])
@pytest.mark.parametrize("num_blocks", [1, 3])
def test_log_determinant_is_that_of_the_jacobian_both_ways(latent_dim, num_blocks):
    flow = flow_of(latent_dim, num_blocks=num_blocks)
    noise = torch.randn(5, latent_dim, dtype=torch.float64)
    z, log_det = flow(noise)
    for i in range(5):
        jacobian = torch.func.jacrev(lambda e: flow(e[None])[0][0])(noise[i])
        assert log_det[i].item() == pytest.approx(
            torch.linalg.slogdet(jacobian).logabsdet.item(), abs=1e-12
        )
    back, inverse_log_det = flow.inverse(z)
    torch.testing.assert_close(back, noise, rtol=0, atol=1e-12)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=0, atol=1e-12)


def test_single_precision_is_accurate_too():
    flow = flow_of(6).float()
    noise = torch.randn(50, 6)
    z, log_det = flow(noise)
    torch.testing.assert_close(flow.inverse(z).z, noise, rtol=0, atol=1e-5)
    exact = flow.double()(noise.double()).log_det
    torch.testing.assert_close(log_det.double(), exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("latent_dim", "num_blocks"), [(2, 1), (5, 2), (6, 3)])
def test_blocks_of_points_are_the_plain_formula(latent_dim, num_blocks, monkeypatch):
    monkeypatch.setattr("introsearch.nets.blocks.CPU_BLOCK_ELEMENTS", 7 * 16)
    flow = flow_of(latent_dim, num_blocks=num_blocks)
    noise = torch.randn(20, latent_dim, dtype=torch.float64)
    z = noise.clone()
    for i, block in enumerate(flow.blocks):
        a, b = z[:, i % 2 :: 2].clone(), slice(1 - i % 2, None, 2)
        z[:, b] = z[:, b] * (2 * block.scale(a).tanh()).exp() + block.shift(a)
    torch.testing.assert_close(flow(noise).z, z, rtol=0, atol=1e-12)
    torch.testing.assert_close(flow.inverse(z).z, noise, rtol=0, atol=1e-12)


def test_it_starts_as_the_identity_and_changes_every_dimension_with_two_blocks():
    fresh = RealNVP(5, num_blocks=2, hidden_units=8)
    noise = torch.randn(7, 5)
    assert torch.equal(fresh(noise).z, noise)
    moved = flow_of(5, num_blocks=2)
    assert (moved(noise.double()).z != noise.double()).all()
    half = flow_of(5, num_blocks=1)(noise.double()).z
    assert torch.equal((half != noise.double()).all(dim=0), torch.tensor([0, 1, 0, 1, 0]).bool())


def test_density_integrates_to_one_and_entropy_is_that_of_the_samples():
    prior = FlowPrior(flow_of(2), 2).double()
    axis = torch.linspace(-12, 12, 301, dtype=torch.float64)
    z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    with torch.no_grad():
        log_density = prior.log_prob(z)
        noise = torch.randn(200_000, 2, dtype=torch.float64)
        entropy = 1 + math.log(2 * math.pi) + prior.flow(noise).log_det.mean()
    area = (axis[1] - axis[0]) ** 2
    assert (log_density.exp().sum() * area).item() == pytest.approx(1.0, abs=1e-4)
    exact = -(log_density.exp() * log_density).sum() * area
    assert entropy.item() == pytest.approx(exact.item(), abs=0.01)


def test_density_of_samples_is_the_same_from_both_sides():
    prior = FlowPrior(flow_of(3), 3).double()
    z, log_density = prior.sample_with_density(20, torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior.log_prob(z), log_density, rtol=0, atol=1e-12)
    assert log_normal(torch.zeros(3)).item() == pytest.approx(-1.5 * math.log(2 * math.pi))


@pytest.mark.parametrize(("latent_dim", "num_blocks"), [(1, 3), (2, 0)])
def test_there_is_no_flow_without_two_dimensions_and_a_block(latent_dim, num_blocks):
    with pytest.raises(ValueError, match="no flow"):
        RealNVP(latent_dim, num_blocks=num_blocks, hidden_units=8)
