import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from introsearch.nets.mlp import MLPEncoder
from introsearch.priors.base import Components
from introsearch.priors.gaussian import StandardGaussian
from introsearch.priors.log_density import mixture_coefficients, mixture_log_prob
from introsearch.priors.mixture import MixtureOfGaussians
from introsearch.priors.vamp import VampPrior


def parts(k=7, latent=3, seed=0, dtype=torch.double):
    g = torch.Generator().manual_seed(seed)
    mu = torch.randn(k, latent, generator=g, dtype=dtype)
    logvar = torch.randn(k, latent, generator=g, dtype=dtype)
    return Components(mu, logvar, torch.randn(k, generator=g, dtype=dtype).log_softmax(dim=0))


def as_distribution(c):
    normal = Independent(Normal(c.mu, (0.5 * c.logvar).exp()), 1)
    return MixtureSameFamily(Categorical(logits=c.log_weights), normal)


def points(n=50, latent=3, seed=1, dtype=torch.double):
    g = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(n, latent, generator=g, dtype=dtype)


def learnable(c, **options):
    return MixtureOfGaussians(c, learnable_contributions=True, **options)


def test_log_prob_agrees_with_torch_distributions():
    c, z = parts(), points()
    torch.testing.assert_close(learnable(c).log_prob(z), as_distribution(c).log_prob(z))


def test_log_prob_in_float32_is_close_to_float64_for_narrow_far_components():
    c, z = parts(k=64, latent=2), points(4_000, 2)
    narrow = Components(c.mu + 5, c.logvar - 4, c.log_weights)
    expected = as_distribution(narrow).log_prob(z)
    got = learnable(Components(*(t.float() for t in narrow))).log_prob(z.float()).double()
    assert ((got - expected).abs() / expected.abs().clamp(min=1)).max() < 2e-5


def test_far_points_keep_finite_values_and_slopes():
    z = torch.tensor([[1e3, -1e3]], requires_grad=True)
    value = learnable(parts(latent=2, dtype=torch.float)).log_prob(z).sum()
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


def test_gradients_by_finite_differences():
    c, z = parts(k=4, latent=2), points(5, 2).requires_grad_()
    inputs = [t.clone().requires_grad_() for t in c]

    def log_prob(z, mu, logvar, logits):
        shift, coefficients = mixture_coefficients(mu, logvar, logits.log_softmax(dim=0))
        return mixture_log_prob(z - shift, coefficients)

    assert torch.autograd.gradcheck(log_prob, (z, *inputs))


def test_blocks_do_not_change_values_or_gradients(monkeypatch):
    c, z = parts(latent=2), points(101, 2)

    def everything():
        prior, x = learnable(c), z.clone().requires_grad_()
        value = prior.log_prob(x)
        value.square().sum().backward()
        return [value.detach(), x.grad, *(p.grad for p in prior.parameters())]

    whole = everything()
    monkeypatch.setattr("introsearch.nets.blocks.CPU_BLOCK_ELEMENTS", 70)
    for a, b in zip(whole, everything(), strict=True):
        torch.testing.assert_close(a, b)


def test_log_prob_without_gradients_is_the_same():
    prior, z = learnable(parts()), points()
    with torch.no_grad():
        value = prior.log_prob(z)
    assert torch.equal(value, prior.log_prob(z))


def test_slope_is_the_responsibility_weighted_sum_of_component_slopes():
    """Eq. 103."""
    c, z = parts(), points().requires_grad_()
    prior = learnable(c)
    (slope,) = torch.autograd.grad(prior.log_prob(z).sum(), z)
    own = (c.mu - z[:, None]) / c.logvar.exp()
    expected = (prior.responsibilities(z)[..., None] * own).sum(dim=1)
    torch.testing.assert_close(slope, expected)


def test_components_learn_in_proportion_to_their_responsibility():
    """Eqs. 105 and 106: mean, log-variance and weight gradients of each component."""
    c, z = parts(), points()
    prior = learnable(c)
    prior.log_prob(z).mean().backward()
    r = prior.responsibilities(z).detach()
    offset = z[:, None] - c.mu
    mu_grad = (r[..., None] * offset / c.logvar.exp()).mean(dim=0)
    logvar_grad = (r[..., None] * 0.5 * (offset.square() / c.logvar.exp() - 1)).mean(dim=0)
    torch.testing.assert_close(prior.mu.grad, mu_grad)
    torch.testing.assert_close(prior.logvar.grad, logvar_grad)
    torch.testing.assert_close(prior.logits.grad, r.mean(dim=0) - c.log_weights.exp())


def test_inactive_components_get_no_gradient():
    c = parts(k=2, latent=2)
    far = Components(c.mu + torch.tensor([[0.0], [1e3]]), c.logvar, c.log_weights)
    prior = learnable(far)
    prior.log_prob(points(latent=2)).mean().backward()
    assert prior.mu.grad[1].abs().max() < 1e-18
    assert prior.mu.grad[0].abs().max() > 1e-3


def test_identical_components_are_one_component():
    one = parts(k=1)
    many = Components(
        one.mu.expand(5, -1), one.logvar.expand(5, -1), parts(k=5, seed=3).log_weights
    )
    z = points()
    torch.testing.assert_close(
        learnable(many).log_prob(z), learnable(one).log_prob(z), rtol=1e-13, atol=1e-13
    )


def test_standard_gaussian_is_a_mixture_of_one():
    prior, z = StandardGaussian(3).double(), points()
    torch.testing.assert_close(prior.log_prob(z), learnable(prior.components()).log_prob(z))


def test_responsibilities_are_component_posteriors():
    c, z = parts(), points()
    joint = (
        c.log_weights.exp()
        * Independent(Normal(c.mu, (0.5 * c.logvar).exp()), 1).log_prob(z[:, None]).exp()
    )
    torch.testing.assert_close(
        learnable(c).responsibilities(z), joint / joint.sum(dim=1, keepdim=True)
    )


def test_frozen_log_prob_gives_the_prior_no_gradient():
    prior, z = learnable(parts()), points().requires_grad_()
    torch.testing.assert_close(prior.log_prob(z, frozen=True), prior.log_prob(z))
    prior.log_prob(z, frozen=True).sum().backward()
    assert z.grad is not None
    assert all(p.grad is None for p in prior.parameters())


def test_log_prob_runs_stacked_under_vmap_and_grad():
    mus = torch.stack([parts(seed=s).mu for s in range(3)])
    c, z = parts(), points()

    def value(mu):
        shift, coefficients = mixture_coefficients(mu, c.logvar, c.log_weights)
        return mixture_log_prob(z - shift, coefficients).mean()

    stacked = torch.func.vmap(torch.func.grad(value))(mus)
    for i in range(3):
        torch.testing.assert_close(stacked[i], torch.func.grad(value)(mus[i]))


@pytest.mark.parametrize("constant", ["prior", "point"])
@pytest.mark.parametrize(
    "second",
    [
        lambda f, x: torch.autograd.functional.hessian(f, x),
        lambda f, x: torch.func.jacrev(torch.func.grad(f))(x),
        lambda f, x: slope(f, x).square().sum().backward(),
        lambda f, x: (slope(f, x).square().sum() + x.sum()).backward(),
    ],
)
def test_second_derivatives_are_refused_and_not_zero(second, constant):
    c, z = parts(k=3, latent=2), points(1, 2)

    def of_point(z):
        return learnable(c).log_prob(z, frozen=True).sum()

    def of_means(mu):
        shift, coefficients = mixture_coefficients(mu, c.logvar, c.log_weights)
        return mixture_log_prob(z - shift, coefficients).sum()

    f, x = (of_point, z) if constant == "prior" else (of_means, c.mu)
    assert slope(f, x).abs().min() > 0
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        second(f, x.clone().requires_grad_())


def slope(f, x):
    x = x if x.requires_grad else x.clone().requires_grad_()
    (found,) = torch.autograd.grad(f(x), x, create_graph=True)
    return found


def test_samples_follow_the_mixture_and_carry_gradients():
    prior = learnable(parts(k=3, latent=2))
    z = prior.sample(200_000, torch.Generator().manual_seed(0))
    expected = as_distribution(parts(k=3, latent=2))
    torch.testing.assert_close(z.mean(dim=0), expected.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(dim=0), expected.variance, atol=0.05, rtol=0.02)
    z.sum().backward()
    assert prior.mu.grad.abs().min() > 0
    assert prior.logvar.grad is not None
    assert prior.logits.grad is None


def test_hand_over_keeps_the_vamp_prior_exactly():
    """Weights are carried over as log w: log-densities agree, with learned weights too."""
    torch.manual_seed(0)
    encoder = MLPEncoder(2, 2, hidden_units=8).double()
    vamp = VampPrior(points(5, 2), encoder, learnable_contributions=True)
    with torch.no_grad():
        vamp.logits.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0, -1.0]))
    mixture = learnable(vamp.components())
    z = points(latent=2)
    torch.testing.assert_close(mixture.log_prob(z), vamp.log_prob(z), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(mixture.logits.exp().sum().item(), 1.0)


def test_vamp_prior_does_not_own_the_encoder():
    encoder = MLPEncoder(2, 2, hidden_units=8)
    vamp = VampPrior(torch.zeros(5, 2), encoder, learnable_contributions=False)
    assert [name for name, _ in vamp.named_parameters()] == ["pseudo_inputs", "logits"]
    assert not vamp.logits.requires_grad
    assert vamp.components().log_weights.tolist() == pytest.approx([-math.log(5)] * 5)


def test_clipping_starts_at_the_range_of_that_moment_and_survives_a_checkpoint():
    prior = learnable(parts(), clip_sharpness=10.0)
    torch.testing.assert_close(prior.components().logvar, prior.logvar)
    with torch.no_grad():
        prior.logvar.mul_(2)
    prior.start_clipping()
    range_ = 2 * parts().logvar.amin(dim=0), 2 * parts().logvar.amax(dim=0)
    for far, reached in zip((-100.0, 100.0), range_, strict=True):
        with torch.no_grad():
            prior.logvar.fill_(far)
        torch.testing.assert_close(prior.components().logvar, reached.expand(7, 3))

    copy = learnable(parts(seed=9), clip_sharpness=10.0)
    copy.load_state_dict(prior.state_dict())
    torch.testing.assert_close(copy.log_prob(points()), prior.log_prob(points()), rtol=0, atol=0)


def test_without_sharpness_nothing_is_clipped():
    prior = learnable(parts(), clip_sharpness=0.0)
    prior.start_clipping()
    with torch.no_grad():
        prior.logvar.add_(100)
    assert torch.equal(prior.components().logvar, prior.logvar)


def test_pseudo_inputs_of_images_are_clamped_and_those_of_points_are_not():
    inputs = torch.tensor([[-0.5, 0.2], [0.7, 3.0]])
    for data_range in (None, (0.0, 1.0)):
        vamp = VampPrior(
            inputs, lambda x: (x, 0 * x), learnable_contributions=False, data_range=data_range
        )
        expected = inputs if data_range is None else inputs.clamp(0, 1)
        assert torch.equal(vamp.components().mu, expected)


@pytest.mark.parametrize("moves_bounds", [False, True])
def test_pseudo_inputs_at_a_bound_stay_there_as_published(moves_bounds):
    """Four in five pixels of a handwritten digit start at exactly 0 or 1."""
    inputs = torch.tensor([[-0.5, 0.0, 0.3, 1.0, 1.5]])
    vamp = VampPrior(
        inputs,
        lambda x: (x, 0 * x),
        learnable_contributions=False,
        data_range=(0.0, 1.0),
        moves_bounds=moves_bounds,
    )
    vamp.components().mu.sum().backward()
    expected = [0.0, 1.0, 1.0, 1.0, 0.0] if moves_bounds else [0.0, 0.0, 1.0, 0.0, 0.0]
    assert vamp.pseudo_inputs.grad.tolist() == [expected]
