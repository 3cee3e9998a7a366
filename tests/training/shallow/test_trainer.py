"""Shallow VAEs come to the closed-form optimum; their trainers keep the contract."""

import copy
import math

import pytest
import torch

from introsearch.errors import ConfigError, TrialDiverged
from introsearch.extensions import load, metrics_for
from introsearch.losses.shallow import collapse_loss
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.training.shallow import trainer as collapse
from introsearch.training.shallow.likelihood import importance_nll
from introsearch.training.shallow.moments import exact_moments, mean_moments, sampled_moments
from introsearch.training.shallow.rows import correlated_rows

SMALL = {"train_images": 200, "latent_dim": 4, "iterations": 40}
SAMPLED = {**SMALL, "expectation": "sampled", "batch_size": 16}
RELU = {**SMALL, "activation": "relu", "hidden_units": 8, "batch_size": 16}
CONV = {**SMALL, "activation": "relu", "channels": [4, 8], "batch_size": 16}
AMORTISED = {"variance": "amortised"}
CASES = {
    "vae": ("collapse_vae", SMALL),
    "vae-sampled": ("collapse_vae", {**SAMPLED, "sigma": 0.5}),
    "vae-relu": ("collapse_vae", RELU),
    "cvae": ("collapse_cvae", SMALL),
    "cvae-rho": ("collapse_cvae", {"rho": 0.5, "dims": 6, "latent_dim": 4, "iterations": 40}),
    "cvae-relu": ("collapse_cvae", RELU),
    "hvae": ("collapse_hvae", {**SMALL, "sigma1": 0.25}),
    "hvae-sampled": ("collapse_hvae", {**SAMPLED, "sigma1": 0.25, "sigma2": 0.2}),
    "hvae-relu": ("collapse_hvae", {**RELU, "beta2": 2.0}),
    "vae-conv": ("collapse_vae", {**CONV, "sigma": 0.5}),
    "cvae-conv": ("collapse_cvae", CONV),
    "vae-relu-amortised": ("collapse_vae", RELU | AMORTISED),
    "cvae-conv-amortised": ("collapse_cvae", CONV | AMORTISED),
    "hvae-relu-amortised": ("collapse_hvae", {**RELU, **AMORTISED, "sigma1": 0.25}),
    "cvae-label": ("collapse_cvae", {**CONV, "condition": "label"}),
    "cvae-one-digit": ("collapse_cvae", {**SMALL, "label": 3}),
    "hvae-conv": ("collapse_hvae", {**CONV, "beta2": 2.0}),
}


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr(collapse, "NLL_ROWS", 2)
    monkeypatch.setattr(collapse, "NLL_DRAWS", 20)


def make(case, seed=0, **changes):
    trainer, parameters = CASES[case]
    settings = resolve_settings(trainer, {**parameters, **changes})
    return load(TRAINERS[trainer].trainer)(settings, seed=seed)


def weights(trainer):
    return [v.clone() for v in trainer.nets.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def names_of(case):
    trainer, parameters = CASES[case]
    return metrics_for(trainer, settings_to_dict(resolve_settings(trainer, parameters)))


@pytest.mark.parametrize("case", CASES)
class TestEveryCase:
    def test_the_seed_decides_everything(self, case):
        runs = [make(case, seed=s) for s in (0, 0, 1)]
        losses = [run.advance(5) for run in runs]
        assert losses[0] == losses[1]
        assert losses[0] != losses[2]
        assert same(weights(runs[0]), weights(runs[1]))

    def test_a_restored_run_is_the_uninterrupted_one_bit_for_bit(self, case):
        straight, new, first = make(case), make(case), make(case)
        straight.advance(7)
        new.load_state_dict(copy.deepcopy(first.state_dict()))
        new.advance(7)
        first.advance(7)
        second = make(case)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        expected = straight.advance(13)
        for restored in (new, second):
            assert restored.advance(13) == expected
            assert same(weights(straight), weights(restored))

    def test_looking_changes_nothing_and_repeats(self, case):
        watched, alone = make(case), make(case)
        for iterations in (10, 30):
            metrics = watched.evaluate(names_of(case))
            assert metrics == watched.evaluate(names_of(case))
            assert all(map(math.isfinite, metrics.values()))
            details = watched.details()
            assert all(map(math.isfinite, details.values()))
            assert details["unit_kl/01"] >= details["unit_kl/02"]
            watched.figures()
            watched.advance(iterations)
        global_state = torch.get_rng_state()
        alone.advance(40)
        assert torch.equal(global_state, torch.get_rng_state())
        assert same(weights(watched), weights(alone))

    def test_divergence_says_when(self, case):
        trainer = make(case)
        trainer.advance(3)
        with torch.no_grad():
            next(trainer.nets.decoders[0].parameters()).fill_(torch.nan)
        with pytest.raises(TrialDiverged) as caught:
            trainer.advance(5)
        assert caught.value.iteration == 4

    def test_settings_survive_a_round_trip(self, case):
        settings = make(case).settings
        assert resolve_settings(CASES[case][0], settings_to_dict(settings)) == settings


def test_figures_are_whole():
    for case, rows in (("vae-conv", 5), ("cvae", 6), ("cvae-label", 5), ("hvae", 5)):
        figure = make(case).figures()["collapse"]
        assert len(figure.latents) == len(figure.kl) == len(figure.predicted_kl)
        assert [len(kl) for kl in figure.kl] == [4] * len(figure.kl)
        assert len(figure.pictures) == rows
        assert all(row.shape == (16, 8, 8, 1) for row in figure.pictures.values())
    assert make("cvae-rho").figures()["collapse"].pictures == {}


def test_pictures_of_a_quadrant_keep_it():
    trainer = make("cvae")
    shown = trainer.figures()["collapse"].pictures
    for what in ("given", "reconstruction", "completion 1"):
        assert (shown[what][:, 4:, :4] == shown["test image"][:, 4:, :4]).all()
    assert (shown["given"][:, :4] == 0.5).all()
    first = trainer.test_rows.numbers(slice(0, 1))
    original = trainer.test_rows.layout.images(first)[0, 0].float().numpy()
    assert (shown["test image"][0, ..., 0] == original).all()


def test_a_label_is_a_dimension_each_and_chooses():
    rows = make("cvae-label").rows
    assert (rows.dims, rows.condition_dims) == (64, 10)
    one_hot = rows.numbers(slice(None))[:, 64:]
    assert (one_hot.sum(dim=1) == 1).all()
    counts = one_hot.sum(dim=0)
    assert len(make("cvae-one-digit").rows) == counts[3]


def test_importance_sampling_gives_the_likelihood_of_a_linear_model():
    """p(y) = N(0, eta_enc^2 U U^T + eta_dec^2 I)."""
    trainer = make("vae", eta_dec=0.5, eta_enc=1.5)
    trainer.advance(40)
    rows = trainer.test_rows.numbers(slice(0, 5))
    with torch.no_grad():
        estimate = importance_nll(
            trainer.nets, rows, eta_dec=0.5, prior_stds=(1.5,), num_draws=20_000,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        u = trainer.nets.decoders[0].weight
        covariance = 1.5**2 * u @ u.T + 0.5**2 * torch.eye(64, dtype=torch.double)
    exact = -torch.distributions.MultivariateNormal(
        torch.zeros(64, dtype=torch.double), covariance
    ).log_prob(rows)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.05)


def test_importance_sampling_of_two_latents_and_of_a_condition():
    """Both are linear and Gaussian: the marginal likelihood is known."""
    eye = torch.eye(64, dtype=torch.double)
    trainer = make("hvae", eta_dec=0.5, eta_enc=0.8, iterations=400)
    trainer.advance(400)
    rows = trainer.test_rows.numbers(slice(0, 3))
    with torch.no_grad():
        u1, u2 = (decoder.weight for decoder in trainer.nets.decoders)
        z1 = 0.8**2 * u2 @ u2.T + 0.5**2 * torch.eye(4, dtype=torch.double)
        estimate = importance_nll(
            trainer.nets, rows, eta_dec=0.5, prior_stds=(0.5, 0.8), num_draws=50_000,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
    exact = torch.distributions.MultivariateNormal(eye[0] * 0, u1 @ z1 @ u1.T + 0.25 * eye)
    torch.testing.assert_close(estimate, -exact.log_prob(rows), rtol=0, atol=0.05)
    trainer = make("cvae", eta_dec=0.5, iterations=400)
    trainer.advance(400)
    rows = trainer.test_rows.numbers(slice(0, 3))
    y, x = rows[:, :48], rows[:, 48:]
    with torch.no_grad():
        u = trainer.nets.decoders[0].weight
        estimate = importance_nll(
            trainer.nets, rows, eta_dec=0.5, prior_stds=(1.0,), num_draws=50_000,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        spread = u[:, :4] @ u[:, :4].T + 0.25 * eye[:48, :48]
        exact = torch.distributions.MultivariateNormal(x @ u[:, 4:].T, spread)
    torch.testing.assert_close(estimate, -exact.log_prob(y), rtol=0, atol=0.1)


def test_units_of_fixed_variances_are_read_in_rotated_modes():
    """The optimum leaves a rotation free: no dimension collapses, and modes do."""
    trainer = make("vae", sigma=0.5, eta_dec=1.55, iterations=1500, learning_rate=0.02)
    trainer.advance(1500)
    with torch.no_grad():
        mu = trainer.nets.encoders[0](trainer.rows.numbers(slice(None)))
        view = trainer._view()
    predicted = trainer.predicted.active[0].sum()
    assert predicted == 3
    assert (mu.square().mean(dim=0) > 0.01).sum() == 4
    metrics = trainer.evaluate(["active_modes", "mode_kl", "active_pairs"])
    assert metrics["active_modes"] == predicted
    assert view.pair_kl.mean(dim=0).sum() == pytest.approx(metrics["mode_kl"])
    # A mode without a mean still pays for its width.
    assert (view.pair_kl.var(dim=0) > 1e-6).sum() == predicted
    assert metrics["active_pairs"] == 1.0


def test_learning_rate_falls_to_zero_along_a_cosine():
    trainer, rates = make("vae"), []
    for _ in range(40):
        trainer.advance(1)
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    expected = [0.005 * (1 + math.cos(math.pi * i / 40)) for i in range(40)]
    assert rates == pytest.approx(expected)


def test_blocks_have_the_moments_of_the_whole(monkeypatch):
    trainer = make("hvae-relu")
    rows = trainer.rows.numbers(slice(None))
    noise = trainer._noise(len(rows), torch.Generator().manual_seed(0))
    whole = sampled_moments(trainer.nets, rows, noise)
    parts = [
        sampled_moments(trainer.nets, rows[a:b], noise[a:b]) for a, b in ((0, 150), (150, 200))
    ]
    together = mean_moments(parts, [150, 50])
    torch.testing.assert_close(together.error, whole.error)
    for a, b in zip(together.levels, whole.levels, strict=True):
        torch.testing.assert_close(a.means, b.means)
        torch.testing.assert_close(a.distance, b.distance)


@pytest.mark.parametrize("case", ["vae", "cvae", "hvae"])
def test_exact_moments_are_the_mean_of_sampled_ones(case):
    trainer, stream = make(case), torch.Generator().manual_seed(0)
    rows = trainer.rows.numbers(slice(None)).repeat(500, 1)
    noise = trainer._noise(len(rows), stream)
    with torch.no_grad():
        for p in trainer.nets.parameters():  # so that no two dimensions are alike
            p.add_(0.4 * torch.randn(p.shape, generator=stream))
        exact = exact_moments(trainer.nets, trainer.rows.second)
        sampled = sampled_moments(trainer.nets, rows, noise)
    torch.testing.assert_close(sampled.error, exact.error, rtol=1e-2, atol=0)
    for a, b in zip(sampled.levels, exact.levels, strict=True):
        torch.testing.assert_close(a.means, b.means, rtol=2e-2, atol=4e-2)
        torch.testing.assert_close(a.distance, b.distance, rtol=2e-2, atol=4e-2)


def test_the_objective_is_the_negative_elbo_of_torch_distributions():
    """One row, many draws: every term from densities, none from a closed form."""
    trainer = make("hvae", beta2=1.0, eta_dec=0.7, eta_enc=1.3)
    normal, nets = torch.distributions.Normal, trainer.nets
    row = trainer.rows.numbers(slice(0, 1)).repeat(50_000, 1)
    noise = trainer._noise(len(row), torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = collapse_loss(
            sampled_moments(nets, row, noise), betas=(1, 1), eta_dec=0.7, prior_stds=(0.7, 1.3)
        )
        s1, s2 = ((0.5 * v).exp() for v in nets.logvars)
        mu1 = nets.encoders[0](row)
        z1 = mu1 + s1 * noise[:, 0]
        mu2 = nets.encoders[1](z1)
        z2 = mu2 + s2 * noise[:, 1]
        log_p = normal(nets.decoders[0](z1), 0.7).log_prob(row).sum(1)
        log_p += normal(nets.decoders[1](z2), 0.7).log_prob(z1).sum(1)
        log_p += normal(0.0, 1.3).log_prob(z2).sum(1)
        log_q = normal(mu1, s1).log_prob(z1).sum(1) + normal(mu2, s2).log_prob(z2).sum(1)
    constant = 64 * torch.tensor(0.7).log() + 32 * torch.tensor(2 * torch.pi).log()
    expected = (log_q - log_p).mean() - constant
    torch.testing.assert_close(loss.total, expected.double(), rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("trainer", "changes"),
    [
        ("collapse_vae", {"eta_dec": 0.4, "eta_enc": 2.0, "beta": 2.0}),
        ("collapse_vae", {"eta_dec": 0.8, "sigma": 0.7}),
        ("collapse_cvae", {"rho": 0.6, "dims": 6, "eta_dec": 0.5}),
        ("collapse_hvae", {"eta_dec": 0.5, "eta_enc": 0.5, "sigma1": 0.25, "beta2": 2.0}),
        ("collapse_hvae", {"eta_dec": 0.5, "eta_enc": 0.5, "sigma1": 0.25, "sigma2": 0.2}),
    ],
)
def test_training_comes_to_the_predicted_optimum(trainer, changes):
    parameters = {"latent_dim": 6, "iterations": 1500, "learning_rate": 0.02, **changes}
    made = load(TRAINERS[trainer].trainer)(resolve_settings(trainer, parameters), seed=0)
    made.advance(1500)
    metrics = made.evaluate(metrics_for(trainer, parameters))
    assert -1e-9 <= metrics["loss_gap"] < 5e-3
    assert metrics["active_modes"] == metrics["predicted_modes"]
    assert metrics["kl_gap"] < 0.05
    assert metrics["lam_gap"] < 0.02
    assert metrics["omega_gap"] < 0.02
    assert metrics["mode_kl"] == pytest.approx(metrics["predicted_kl"], abs=0.05)
    kl, predicted = made._view().trained.kl, made.predicted.kl
    for by_mode, expected in zip(kl, predicted, strict=True):
        assert sorted(by_mode) == pytest.approx(sorted(expected), abs=0.05)
    if trainer == "collapse_hvae":
        assert metrics["active_modes_z2"] == metrics["predicted_modes_z2"]
        assert metrics["mode_kl_z2"] == pytest.approx(metrics["predicted_kl_z2"], abs=0.05)


def test_correlated_rows_have_the_correlation():
    rows = correlated_rows(50_000, dims=2, rho=0.6, stream=torch.Generator().manual_seed(0))
    assert (rows.dims, rows.condition_dims) == (2, 2)
    expected = torch.eye(4, dtype=torch.double)
    expected[0, 2] = expected[2, 0] = expected[1, 3] = expected[3, 1] = 0.6
    torch.testing.assert_close(rows.second, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("trainer", "parameters", "key", "words"),
    [
        ("collapse_vae", {"hidden_units": 8}, "hidden_units", "activation: linear"),
        ("collapse_vae", {"batch_size": 8}, "batch_size", "expectation: exact"),
        ("collapse_vae", {"activation": "relu", "expectation": "exact"}, "expectation", "relu"),
        ("collapse_vae", {"dataset": "rings"}, "dataset", "rings"),
        ("collapse_vae", {"beta": 0}, "beta", "above 0"),
        ("collapse_cvae", {"rho": 0.5, "dataset": "digits"}, "dataset", "rho"),
        ("collapse_cvae", {"rho": 0.5, "train_images": 9}, "train_images", "rho"),
        ("collapse_cvae", {"rho": 1.5}, "rho", "at most 1"),
        ("collapse_cvae", {"dims": 3}, "dims", "a data set"),
        ("collapse_vae", {"channels": [4]}, "channels", "activation: linear"),
        ("collapse_vae", {"activation": "relu", "channels": []}, "channels", "empty"),
        ("collapse_vae", {"activation": "relu", "channels": [4] * 4}, "channels", "3 times"),
        (
            "collapse_cvae",
            {"activation": "relu", "channels": [4], "hidden_units": 8},
            "hidden_units",
            "channels",
        ),
        ("collapse_vae", {"label": 10}, "label", "no label 10"),
        ("collapse_cvae", {"label": 1, "condition": "label"}, "condition", "one label"),
        ("collapse_cvae", {"condition": "left"}, "condition", "left"),
        ("collapse_cvae", {"rho": 0.5, "condition": "label"}, "condition", "rho"),
        ("collapse_cvae", {"rho": 0.5, "label": 1}, "label", "rho"),
        ("collapse_hvae", {"beta2": 0.5}, "beta2", "no minimum"),
        ("collapse_hvae", {}, "beta2", "flat"),
    ],
)
def test_settings_that_mean_nothing_are_refused(trainer, parameters, key, words):
    with pytest.raises(ConfigError, match=words) as caught:
        resolve_settings(trainer, parameters)
    assert caught.value.key == key
