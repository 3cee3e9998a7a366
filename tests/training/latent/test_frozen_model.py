"""Stage 1 of the fitted priors, by itself."""

import pytest
import torch

from introsearch.data.images import to_float
from introsearch.settings.base import resolve_settings
from introsearch.training.latent.frozen_model import FrozenModel
from introsearch.training.vae.vae import VAE

CPU = torch.device("cpu")
DIGITS = {
    "dataset": "digits", "train_images": 100, "latent_dim": 3, "channels": [4, 8],
    "stage1_iterations": 4, "num_samples": 20, "batch_size": 16,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("INTROSEARCH_CACHE", str(tmp_path))


def make(seed=0, **settings):
    return FrozenModel(resolve_settings("ncp", settings), seed=seed, device=CPU)


def drawn(model, n=50):
    data, noise = (torch.Generator().manual_seed(s) for s in (1, 2))
    return model.posterior_batch(n, data=data, noise=noise)


def test_latent_points_are_their_own_posteriors():
    model = make(dataset="latent_shifted")
    model.prepare()
    points = model.dataset.sample(50, torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn(model), points, rtol=0, atol=1e-3)


@pytest.mark.parametrize("seeds", [{}, {"stage1_seed": 7}])
def test_it_is_a_vae_that_was_trained_to_its_end(seeds):
    model = make(seed=3, **DIGITS, **seeds)
    model.prepare()
    vae = VAE(resolve_settings("ncp", DIGITS).stage_1, seed=seeds.get("stage1_seed", 3))
    vae.advance(4)
    x = to_float(vae.dataset.train.images)
    with torch.no_grad():
        for mine, theirs in zip(model.encoder(x), vae.encoder(x), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    assert not any(p.requires_grad for p in model.encoder.parameters())


def test_posterior_samples_are_of_train_images():
    """Around the posterior mean of one of them, as wide as its posterior."""
    model = make(**DIGITS)
    model.prepare()
    with torch.no_grad():
        mu, logvar = model.encoder(to_float(model.dataset.train.images))
    chosen = torch.randint(100, (50,), generator=torch.Generator().manual_seed(1))
    noise = torch.randn(50, 3, generator=torch.Generator().manual_seed(2))
    expected = mu[chosen] + (logvar[chosen] / 2).exp() * noise
    torch.testing.assert_close(drawn(model), expected)


def test_a_state_from_before_stage_1_leaves_it_to_come():
    before, after = make(**DIGITS), make(**DIGITS)
    state = before.state_dict()
    assert not state["has_stage_1"]
    after.prepare()
    weight = next(before.encoder.parameters())
    before.load_state_dict(state)
    assert weight.requires_grad
    before.load_state_dict(after.state_dict())
    assert before.state_dict()["has_stage_1"]
    assert not weight.requires_grad
    assert torch.equal(drawn(before), drawn(after))
