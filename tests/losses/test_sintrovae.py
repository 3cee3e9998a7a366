import math

import pytest
import torch

from introsearch.losses.sintrovae import Terms, encoder_loss, generator_loss, normalised_entropy
from introsearch.losses.vae import squared_error, vae_loss

WEIGHTS = {"beta_rec": 0.2, "beta_kl": 0.3, "beta_neg": 0.9, "alpha": 2.0, "scale": 0.5}


def terms(seed):
    g = torch.Generator().manual_seed(seed)
    return Terms(*torch.rand(2, 4, generator=g, dtype=torch.double))


def test_squared_error_sums_over_all_data_dimensions():
    x, y = torch.zeros(2, 3, 4), torch.full((2, 3, 4), 2.0)
    assert squared_error(x, y).tolist() == [48.0, 48.0]


def test_vae_loss_is_the_weighted_sum_of_batch_means():
    loss = vae_loss(torch.tensor([1.0, 3.0]), torch.tensor([4.0, 6.0]), beta_rec=0.5, beta_kl=2.0)
    assert loss.total.item() == pytest.approx(0.5 * 2 + 2 * 5)


def test_encoder_loss_written_out_in_scalars():
    """Eq. 98, term by term, in plain Python."""
    real, fake, recon = terms(0), terms(1), terms(2)

    def exp_elbo(t):
        pairs = zip(t.rec.tolist(), t.kl.tolist(), strict=True)
        return sum(math.exp(-2 * 0.5 * (0.2 * r + 0.9 * k)) for r, k in pairs) / 4

    expected = 0.5 * (
        0.2 * sum(real.rec.tolist()) / 4 + 0.3 * sum(real.kl.tolist()) / 4
    ) + 0.5 * 0.5 * (exp_elbo(fake) + exp_elbo(recon))
    assert encoder_loss(real, fake, recon, **WEIGHTS).total.item() == pytest.approx(expected)


def test_encoder_loss_rewards_even_contributions():
    even, odd = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    losses = [
        encoder_loss(
            terms(0), terms(1), terms(2), **WEIGHTS, contributions=c, r_entropy=10.0
        ).total.item()
        for c in (even, odd)
    ]
    assert losses[1] - losses[0] == pytest.approx(0.5 * 10)


def test_generator_loss_written_out_in_scalars():
    rec, fake, recon, real, again = (torch.tensor([v, v + 2]) for v in (1.0, 2.0, 3.0, 4.0, 5.0))
    kwargs = {"beta_rec": 0.2, "beta_kl": 0.3, "gamma": 1.5, "scale": 0.5}
    base = 0.5 * (0.2 * 2 + 1.5 * 0.3 * 0.5 * (3 + 4))
    loss = generator_loss(rec, fake, recon, **kwargs)
    assert loss.total.item() == pytest.approx(base)
    with_prior = generator_loss(rec, fake, recon, kl_real=real, **kwargs)
    assert with_prior.total.item() == pytest.approx(base + 0.5 * 0.3 * 5)
    with_rec = generator_loss(rec, fake, recon, rec_generated=again, gamma_r=0.1, **kwargs)
    assert with_rec.total.item() == pytest.approx(base + 0.5 * 1.5 * 0.1 * 0.2 * 6)


def test_losses_run_stacked_under_vmap_and_grad():
    """Several trials in one process: per-trial losses and gradients equal separate ones."""
    stacks = [Terms(*torch.rand(2, 3, 4, dtype=torch.double)) for _ in range(3)]

    def loss(real, fake, recon):
        return encoder_loss(real, fake, recon, **WEIGHTS).total

    grads = torch.func.vmap(torch.func.grad(loss, argnums=1))(*stacks)
    for i in range(3):
        one = torch.func.grad(loss, argnums=1)(*(Terms(t.rec[i], t.kl[i]) for t in stacks))
        torch.testing.assert_close(grads.kl[i], one.kl)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([0.25] * 4, 1.0), ([1.0, 0.0, 0.0, 0.0], 0.0), ([0.5, 0.5, 0.0, 0.0], 0.5), ([1.0], 0.0)],
)
def test_normalised_entropy(shares, expected):
    assert normalised_entropy(torch.tensor(shares)).item() == pytest.approx(expected)
