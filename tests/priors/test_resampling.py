"""SIR and Langevin dynamics against closed forms."""

import pytest
import torch

from introsearch.priors import energy, resampling
from introsearch.priors.energy import EnergyPrior, langevin
from introsearch.priors.gaussian import StandardGaussian
from introsearch.priors.resampling import resample

NORMAL = torch.distributions.Normal


def gaussians(proposal, target, *, exact=True, seed=0):
    """Proposals from one Gaussian, weighted for another relative to N(0, 1)."""
    stream = torch.Generator().manual_seed(seed)

    def propose(m):
        z = proposal.mean + proposal.stddev * torch.randn(m, 1, generator=stream)
        log_weight = target.log_prob(z) - (proposal if exact else NORMAL(0.0, 1.0)).log_prob(z)
        return z, log_weight[:, 0]

    return propose, stream


@pytest.mark.parametrize(
    ("k", "mean", "std"), [(1, 0.0, 1.0), (5, 0.85, 0.59), (20, 0.975, 0.51), (100, 0.999, 0.50)]
)
def test_more_proposals_come_closer_to_the_target(k, mean, std):
    propose, stream = gaussians(NORMAL(0.0, 1.0), NORMAL(1.0, 0.5))
    z = resample(propose, 40_000, num_proposals=k, generator=stream).z
    assert z.mean().item() == pytest.approx(mean, abs=0.02)
    assert z.std().item() == pytest.approx(std, abs=0.02)


def test_effective_sample_size():
    propose, stream = gaussians(NORMAL(0.0, 1.0), NORMAL(1.0, 0.5))
    share = resample(propose, 20, num_proposals=50_000, generator=stream).effective_share
    assert share.mean().item() == pytest.approx(0.37353, abs=0.004)


@pytest.mark.parametrize(("exact", "mean", "std"), [(True, 0.999, 0.499), (False, 1.082, 0.468)])
def test_energy_alone_has_another_target(exact, mean, std):
    proposal, target = NORMAL(0.6, 0.8), NORMAL(1.0, 0.5)
    propose, stream = gaussians(proposal, target, exact=exact)
    z = resample(propose, 40_000, num_proposals=100, generator=stream).z
    assert z.mean().item() == pytest.approx(mean, abs=0.01)
    assert z.std().item() == pytest.approx(std, abs=0.01)


def test_one_proposal_comes_back_unchanged():
    propose, stream = gaussians(NORMAL(0.0, 1.0), NORMAL(1.0, 0.5))
    result = resample(propose, 100, num_proposals=1, generator=stream)
    again, _ = gaussians(NORMAL(0.0, 1.0), NORMAL(1.0, 0.5))
    assert torch.equal(result.z, again(100)[0])
    assert torch.allclose(result.effective_share, torch.ones(100))


def test_blocks_bound_the_memory_and_change_no_distribution(monkeypatch):
    largest = []
    monkeypatch.setattr(resampling, "BLOCK_ROWS", 64)
    propose, stream = gaussians(NORMAL(0.0, 1.0), NORMAL(1.0, 0.5))

    def watched(m):
        largest.append(m)
        return propose(m)

    z = resample(watched, 1_000, num_proposals=100, generator=stream).z
    assert max(largest) <= 64
    assert len(z) == 1_000
    assert z.mean().item() == pytest.approx(0.999, abs=0.06)
    assert z.std().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("heavy", [0, 3, 4, 9])
def test_the_heaviest_proposal_is_found_in_whichever_block_it_is(heavy, monkeypatch):
    monkeypatch.setattr(resampling, "BLOCK_ROWS", 4)
    count = iter(range(10))

    def propose(m):
        z = torch.tensor([[float(next(count))] for _ in range(m)])
        return z, torch.where(z[:, 0] == heavy, 1e3, 0.0)

    result = resample(propose, 1, num_proposals=10, generator=torch.Generator())
    assert result.z.item() == heavy
    assert result.effective_share.item() == pytest.approx(0.1)


class Linear(torch.nn.Module):
    """f(z) = a z, so that exp(-f / w) p_0 is N(-a / w, 1)."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor([1.0, -0.5]))

    def forward(self, z):
        return z @ self.a


def linear_prior(**options):
    base = StandardGaussian(2)
    arguments = {"temperature": 2.0, "num_proposals": 200, **options}
    return EnergyPrior(Linear(), base=base, proposal=base, **arguments)


def test_temperature_divides_the_energy():
    prior = linear_prior()
    z = prior.sample(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(dim=0), torch.tensor([-0.5, 0.25]), rtol=0, atol=0.03)
    exact = torch.distributions.MultivariateNormal(torch.tensor([-0.5, 0.25]), torch.eye(2))
    torch.testing.assert_close(prior.log_prob(z), exact.log_prob(z), rtol=0, atol=0.02)


def test_langevin_dynamics_reach_the_density():
    prior = linear_prior(langevin_steps=200, langevin_step_size=0.05)
    z = prior.sample(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(dim=0), torch.tensor([-0.5, 0.25]), rtol=0, atol=0.03)
    torch.testing.assert_close(z.std(dim=0), torch.ones(2), rtol=0, atol=0.03)


def test_langevin_without_steps_stays():
    z = torch.randn(4, 2)
    stream = torch.Generator()
    still = langevin(lambda z: -z.sum(dim=1), z, num_steps=0, step_size=0.1, generator=stream)
    assert torch.equal(still, z)


def test_frozen_reaches_the_point_alone():
    prior, z = linear_prior(), torch.randn(4, 2, requires_grad=True)
    prior.log_prob(z, frozen=True).sum().backward()
    assert z.grad is not None
    assert all(p.grad is None and p.requires_grad for p in prior.parameters())


def test_normaliser_is_estimated_anew_only_after_a_change(monkeypatch):
    prior, z, estimates = linear_prior(), torch.randn(4, 2), []
    estimate = prior._estimated_normaliser
    monkeypatch.setattr(
        prior, "_estimated_normaliser", lambda device: estimates.append(1) or estimate(device)
    )
    before = prior.log_prob(z)
    assert torch.equal(prior.log_prob(z), before)
    assert len(estimates) == 1
    optimiser = torch.optim.Adam(prior.parameters(), lr=0.1, fused=True)
    prior.energy(z).sum().backward()
    for change in (
        optimiser.step,
        lambda: prior.load_state_dict({k: v + 1 for k, v in prior.state_dict().items()}),
        lambda: prior.energy.a.data.mul_(0.5),
        lambda: prior.base.zero.add_(1),
        prior.double,
    ):
        change()
        prior.log_prob(z.to(prior.energy.a.dtype))
        prior.log_prob(z.to(prior.energy.a.dtype))
    assert len(estimates) == 6
    fresh = linear_prior()
    fresh.double().load_state_dict(prior.state_dict())
    assert torch.equal(prior.log_normaliser(), fresh.log_normaliser())


def test_langevin_dynamics_pass_in_blocks(monkeypatch):
    monkeypatch.setattr(energy, "LANGEVIN_WIDTH", 2**18 // 7)
    z = linear_prior(langevin_steps=3).sample(20, torch.Generator().manual_seed(0))
    assert len(z.unique(dim=0)) == 20
