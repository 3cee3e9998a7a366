"""Proposition 1: a closed form of the over-fitted encoder, and what stays fixed."""

import copy

import pytest
import torch

from introsearch.data.base import CPU, DataContext
from introsearch.data.images import Digits
from introsearch.errors import ConfigError
from introsearch.metrics.fixed_sets import nelbo_real
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.training.vae.proposition1 import Proposition1, first_of_each_class

SMALL = {
    "dataset": "digits",
    "train_images": 200,
    "iterations": 30,
    "warmup_iterations": 10,
    "batch_size": 32,
    "channels": [4, 8],
    "latent_dim": 4,
    "beta_rec": 8.0,
    "beta_neg": 1.0,
}
METRIC = "introsearch.metrics.fixed_sets:nelbo_"


def make(**changes):
    return Proposition1(resolve_settings("proposition1", {**SMALL, **changes}), seed=0)


def test_images_are_the_first_of_their_class():
    data = Digits.open(DataContext(device=CPU, train_images=200))
    images = first_of_each_class(data, 10)
    for c, image in enumerate(images):
        same = (data.train.images / 255 == image).flatten(1).all(dim=1)
        assert int(data.train.labels[same][0]) == c
        assert not (data.train.labels[: int(same.nonzero()[0])] == c).any()


def test_only_the_encoder_learns_in_stage_2():
    trainer = make(prior="mog", components=3, learnable_contributions=True)
    trainer.advance(10)
    before = copy.deepcopy(trainer.state_dict())
    trainer.advance(5)
    after = trainer.state_dict()
    for part in ("decoder", "prior"):
        torch.testing.assert_close(after[part], before[part], rtol=0, atol=0)
    assert any(not torch.equal(after["encoder"][k], v) for k, v in before["encoder"].items())


@pytest.mark.parametrize("at", [5, 10, 15])
def test_a_restored_run_is_the_uninterrupted_one(at):
    one, other = make(fake_images=3), make(fake_images=3)
    one.advance(at)
    state = copy.deepcopy(one.state_dict())
    names = [METRIC + "real", METRIC + "fake"]
    one.evaluate(names)
    other.load_state_dict(state)
    assert one.advance(20 - at) == other.advance(20 - at)
    assert one.evaluate(names) == other.evaluate(names)


@pytest.mark.parametrize(("real", "fake"), [(2, 5), (5, 2)])
def test_a_step_follows_the_gradient_of_the_encoder_loss(real, fake):
    """All that is generated is the fake set, in place of both halves of eq. 98."""
    trainer = make(real_images=real, fake_images=fake, beta_kl=0.7, beta_neg=3.0, alpha=1.5)
    trainer.advance(11)
    stream, x, steps = copy.deepcopy(trainer.streams["noise"]), trainer.images, []

    def compare(adam, *_):
        mu, logvar = trainer.encoder(x)
        z = mu + (logvar / 2).exp() * torch.randn(mu.shape, generator=stream)
        rec = 8 * (x - trainer.decoder(z)).square().sum(dim=(1, 2, 3))
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(dim=1)
        elbo = (rec + 0.7 * kl)[:real].mean() / 64
        adversarial = (-1.5 / 64 * (rec + 3 * kl)[:fake]).exp().mean() / 1.5
        parameters = list(trainer.encoder.parameters())
        for p, gradient in zip(
            parameters, torch.autograd.grad(elbo + adversarial, parameters), strict=True
        ):
            torch.testing.assert_close(p.grad, gradient, rtol=1e-3, atol=1e-5)
        steps.append(1)

    trainer.optimisers["encoder"].register_step_pre_hook(compare)
    trainer.advance(2)
    assert len(steps) == 2


def test_equal_sets_have_equal_terms():
    trainer = make()
    trainer.advance(10)
    terms = trainer.advance(3)
    for part in ("rec", "kl", "nelbo"):
        assert terms[f"{part}_real"] == terms[f"{part}_fake"]


def test_metrics_are_those_of_their_set():
    trainer = make(real_images=1, fake_images=10)
    trainer.advance(10)
    values = trainer.evaluate([METRIC + "real", METRIC + "fake"])
    assert values[METRIC + "real"] != values[METRIC + "fake"]
    same = make().evaluate([METRIC + "real", METRIC + "fake"])
    assert same[METRIC + "real"] == same[METRIC + "fake"]
    with pytest.raises(ConfigError, match="proposition1"):
        nelbo_real(super(Proposition1, trainer)._view(), torch.Generator())


@pytest.mark.slow
def test_a_fake_that_is_too_frequent_has_the_nelbo_of_proposition_1():
    """-s * nelbo = log(p_real / p_fake) / alpha, with p_real = 1/10 and p_fake = 1."""
    trainer = make(
        fake_images=1, warmup_iterations=100, iterations=900, learning_rate=1e-3, train_images=None
    )
    trainer.advance(700)
    nelbo = trainer.advance(200)["nelbo_fake"]
    expected = 64 * torch.tensor(10.0).log().item() / trainer.settings.alpha
    assert nelbo == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"real_images": 0}, "real_images"),
        ({"fake_images": 11}, "fake_images"),
        ({"warmup_iterations": 31}, "warmup_iterations"),
        ({"warmup_epochs": 1}, "warmup_epochs"),
        ({"prior": "vamp"}, "prior"),
        ({"intro_prior": True}, "intro_prior"),
    ],
)
def test_bad_settings_are_refused_by_name(changes, key):
    with pytest.raises(ConfigError) as caught:
        make(**changes)
    assert caught.value.key == key


def test_points_are_refused():
    with pytest.raises(ConfigError) as caught:
        resolve_settings("proposition1", {"dataset": "rings"})
    assert caught.value.key == "dataset"


def test_more_images_than_classes_are_refused():
    data = Digits.open(DataContext(device=CPU, train_images=3))
    with pytest.raises(ConfigError, match="of each of 10 is asked for"):
        first_of_each_class(data, 10)


def test_settings_survive_being_written_down():
    settings = resolve_settings("proposition1", SMALL)
    assert resolve_settings("proposition1", settings_to_dict(settings)) == settings
