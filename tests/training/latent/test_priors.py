"""What every trainer must do that fits a prior to a frozen VAE's aggregate posterior."""

import copy

import pytest
import torch

from introsearch.data.latent_targets import FourGaussians, ShiftedGaussian
from introsearch.errors import ConfigError, TrialDiverged
from introsearch.extensions import load, metrics_for
from introsearch.figures.models.images import draw_images
from introsearch.metrics import latents
from introsearch.metrics.mmd import bandwidths_of, mmd_squared
from introsearch.priors import energy
from introsearch.priors.energy import EnergyPrior
from introsearch.priors.gaussian import StandardGaussian
from introsearch.registry import TRAINERS, is_costly
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.training.latent import gmm as latent_gmm
from introsearch.training.latent.base import LatentPriorTrainer
from introsearch.training.vae import figures as model_figures
from introsearch.training.vae.vae import VAE

METHODS = [n for n, e in TRAINERS.items() if issubclass(load(e.trainer), LatentPriorTrainer)]
SMALL = {"iterations": 20, "batch_size": 16}
UNITS = {"flow_units": 8, "energy_units": 8, "gaussians": 3, "proposals": 10, "critic_steps": 2}
IMAGES = {
    "train_images": 100,
    "latent_dim": 3,
    "channels": [4, 8],
    "stage1_iterations": 6,
    "num_samples": 20,
}
SAMPLING = ("flow", "sir", "sir_energy_only", "langevin")


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    monkeypatch.setattr(model_figures, "_LATENTS", 30)
    monkeypatch.setattr(model_figures, "_GRID", 16)
    monkeypatch.setattr(latent_gmm, "_MOST_POINTS", 500)
    monkeypatch.setattr(model_figures, "_POINTS", 100)
    monkeypatch.setattr(latents, "NUM_SAMPLES", 100)
    monkeypatch.setattr(latents, "NUM_RESAMPLED", 10)
    monkeypatch.setattr(energy, "NORMALISER_DRAWS", 10_000)
    monkeypatch.setenv("INTROSEARCH_CACHE", str(tmp_path))


def settings_of(method, dataset="latent_4gaussians", **changes):
    own = resolve_settings(method, {"dataset": "latent_4gaussians"})
    units = {k: v for k, v in UNITS.items() if hasattr(own, k)}
    if method == "evalp" and changes.get("sampling", "flow") in ("flow", "langevin"):
        del units["proposals"]
    images = IMAGES if dataset == "digits" else {}
    return resolve_settings(method, {"dataset": dataset, **SMALL, **units, **images, **changes})


def make(method, dataset="latent_4gaussians", *, seed=0, **changes):
    settings = settings_of(method, dataset, **changes)
    return load(TRAINERS[method].trainer)(settings, seed=seed)


def weights(trainer):
    model = trainer.stage_1
    parts = (model.encoder, model.decoder, model.base, trainer.prior)
    return [v.clone() for part in parts for v in part.state_dict().values() if torch.is_tensor(v)]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("dataset", ["latent_4gaussians", "digits"])
@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_the_seed_decides_everything(self, method, dataset):
        runs = [make(method, dataset, seed=s) for s in (0, 0, 1)]
        losses = [run.advance(5) for run in runs]
        assert losses[0] == losses[1]
        assert losses[0] != losses[2]
        assert same(weights(runs[0]), weights(runs[1]))

    @pytest.mark.parametrize("at", [0, 7])
    def test_a_restored_run_is_the_uninterrupted_one_bit_for_bit(self, method, dataset, at):
        straight, first = make(method, dataset), make(method, dataset)
        if at:
            straight.advance(at)
            first.advance(at)
        state = copy.deepcopy(first.state_dict())
        expected = straight.advance(20 - at)
        second = make(method, dataset, seed=5)
        second.seed = second.stage_1.seed = 0
        second.load_state_dict(state)
        assert second.advance(20 - at) == expected
        assert same(weights(straight), weights(second))

    def test_looking_changes_nothing(self, method, dataset):
        watched, alone = make(method, dataset), make(method, dataset)
        cheap = [n for n in metrics_for(method, {"dataset": dataset}) if not is_costly(n)]
        cheap = [n for n in cheap if n != "fid_gen"]  # its classifier is trained first
        for _ in range(2):
            watched.advance(10)
            watched.evaluate([*cheap, "mmd_latent", "latent_nll", "effective_share"])
            watched.figures()
        alone.advance(10)
        alone.advance(10)
        assert same(weights(watched), weights(alone))

    def test_the_prior_keeps_its_contract(self, method, dataset):
        trainer = make(method, dataset)
        trainer.advance(20)
        prior, dims = trainer.prior, trainer.settings.latent_dim
        one, other = (prior.sample(50, torch.Generator().manual_seed(3)) for _ in range(2))
        assert one.shape == (50, dims)
        assert torch.equal(one, other)
        with torch.no_grad():
            density = prior.log_prob(one.view(5, 10, dims))
        assert density.shape == (5, 10)
        assert density.isfinite().all()
        z = one.clone().requires_grad_()
        prior.log_prob(z, frozen=True).sum().backward()
        assert z.grad is not None
        assert all(p.grad is None for p in prior.parameters() if not p.requires_grad)


@pytest.mark.parametrize("method", METHODS)
def test_density_integrates_to_one(method):
    trainer = make(method)
    trainer.advance(20)
    axis = torch.linspace(-8, 8, 300)
    z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    with torch.no_grad():
        density = trainer.prior.log_prob(z).exp()
    assert (density.sum() * (axis[1] - axis[0]) ** 2).item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("sampling", ["flow", "sir"])
def test_density_of_evalp_is_that_of_its_samples(sampling):
    trainer = make("evalp", sampling=sampling, kl_weight=1.0, iterations=60)
    trainer.advance(60)
    axis = torch.linspace(-8, 8, 300)
    z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    with torch.no_grad():
        log_density = trainer.prior.log_prob(z)
        sampled = trainer.prior.sample(20_000, torch.Generator().manual_seed(0))
        found = trainer.prior.log_prob(sampled).mean()
    area = (axis[1] - axis[0]) ** 2
    exact = (log_density.exp() * log_density).sum() * area
    assert found.item() == pytest.approx(exact.item(), abs=0.06)


@pytest.mark.parametrize("sampling", SAMPLING)
def test_every_way_of_sampling_restores(sampling):
    one = make("evalp", sampling=sampling)
    one.advance(5)
    other = make("evalp", sampling=sampling)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    a, b = (t.prior.sample(40, torch.Generator().manual_seed(0)) for t in (one, other))
    assert torch.equal(a, b)


def test_all_methods_share_one_frozen_vae():
    trainers = [make(method, "digits") for method in METHODS]
    for trainer in trainers:
        trainer.advance(3)
    plain = VAE(trainers[0].settings.stage_1, seed=0)
    plain.advance(6)
    for trainer in trainers:
        assert same(
            list(trainer.stage_1.decoder.state_dict().values()),
            list(plain.decoder.state_dict().values()),
        )
        assert not any(p.requires_grad for p in trainer.stage_1.encoder.parameters())


def test_a_vae_is_trained_once(monkeypatch):
    make("ncp", "digits").advance(1)
    monkeypatch.setattr(VAE, "_vae_step", None)  # training again would fail
    make("latent_flow", "digits").advance(1)
    with pytest.raises(TypeError):
        make("latent_flow", "digits", seed=1).advance(1)
    make("latent_flow", "digits", seed=1, stage1_seed=0).advance(1)


def test_stage_1_may_have_a_prior_of_its_own():
    trainer = make("evalp", "digits", prior="mog", components=4, num_draws=3)
    trainer.advance(4)
    assert trainer.stage_1.base.components().mu.shape == (4, 3)


def test_figures_of_images_do_without_components():
    trainer = make("evalp", "digits")
    trainer.advance(2)
    assert draw_images(trainer.figures()["model"], title="x").startswith(b"\x89PNG")


def test_divergence_says_when():
    trainer = make("evalp")
    trainer.advance(3)
    with torch.no_grad():
        trainer.energy.net[0].weight.fill_(torch.nan)
    with pytest.raises(TrialDiverged) as caught:
        trainer.advance(2)
    assert caught.value.iteration == 4


def test_learning_rate_falls_to_zero_along_a_cosine():
    trainer, rates = make("evalp"), []
    for _ in range(20):
        trainer.advance(1)
        rates.append(trainer.optimisers["energy"].param_groups[0]["lr"])
    assert rates[0] == 5e-4
    assert rates[10] == pytest.approx(2.5e-4)
    assert rates[19] < 1e-5


@pytest.mark.parametrize("target", [FourGaussians, ShiftedGaussian])
def test_targets_have_the_density_that_they_are_drawn_from(target):
    data = target()
    axis = torch.linspace(-8, 8, 400)
    z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    log_density = data.log_prob(z)
    area = (axis[1] - axis[0]) ** 2
    assert (log_density.exp().sum() * area).item() == pytest.approx(1.0, abs=1e-3)
    drawn = data.log_prob(data.sample(50_000, torch.Generator().manual_seed(0))).mean()
    exact = (log_density.exp() * log_density).sum() * area
    assert drawn.item() == pytest.approx(exact.item(), abs=0.02)


def test_a_gaussian_of_full_covariance_fits_a_gaussian():
    trainer = make("latent_gmm", "latent_shifted", gaussians=1)
    trainer.advance(1)
    kl = trainer.evaluate(["latent_kl"])["latent_kl"]
    assert 0 <= kl < 0.02


def test_no_gaussians_are_the_standard_normal():
    trainer = make("latent_gmm", "latent_shifted", gaussians=0)
    trainer.advance(2)
    z = torch.randn(5, 2)
    torch.testing.assert_close(trainer.prior.log_prob(z), trainer.stage_1.base.log_prob(z))
    q, p = torch.tensor([[1.5, -1.0], [0.6, 1.2]]), torch.distributions.Normal(0.0, 1.0)
    exact = torch.distributions.kl_divergence(torch.distributions.Normal(*q), p).sum().item()
    assert trainer.evaluate(["latent_kl"])["latent_kl"] == pytest.approx(exact, abs=0.5)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"coupling_blocks": 0}, "coupling_blocks"),
        ({"kl_weight": 0.0, "sampling": "sir"}, "kl_weight"),
        ({"kl_weight": 0.0, "sampling": "langevin"}, "kl_weight"),
        ({"proposals": 10}, "proposals"),
        ({"sampling": "sir", "langevin_steps": 3}, "langevin_steps"),
        ({"latent_dim": 1}, "latent_dim"),
        ({"beta_kl": 0.5}, "beta_kl"),
        ({"stage1_iterations": 5}, "stage1_iterations"),
        ({"dataset": "digits", "epochs": 3}, "epochs"),
        ({"dataset": "digits", "stage1_iterations": 5, "stage1_epochs": 3}, "stage1_epochs"),
        ({"latent_dim": 3}, "latent_dim"),
    ],
)
def test_bad_settings_are_refused_by_name(changes, key):
    with pytest.raises(ConfigError) as caught:
        resolve_settings("evalp", {"dataset": "latent_4gaussians", **changes})
    assert caught.value.key == key


def test_settings_survive_being_written_down():
    for method in METHODS:
        for dataset in ("latent_4gaussians", "digits"):
            one = settings_of(method, dataset)
            assert resolve_settings(method, settings_to_dict(one)) == one


@pytest.mark.slow
def test_evalp_closes_most_of_the_hole():
    """Four modes that N(0, I) misses: at most half of its MMD remains."""
    trainer = make(
        "evalp", iterations=1500, batch_size=128, coupling_blocks=6, flow_units=64, energy_units=64,
        critic_steps=3, fit_learning_rate=2e-3, average_decay=0.99,
    )  # fmt: skip
    trainer.advance(1500)
    stream = torch.Generator().manual_seed(0)
    real = trainer.stage_1.dataset.sample(2_000, stream)
    widths = bandwidths_of(real)
    before = mmd_squared(real, trainer.stage_1.base.sample(2_000, stream), bandwidths=widths)
    after = mmd_squared(real, trainer.prior.sample(2_000, stream), bandwidths=widths)
    assert after <= 0.5 * before


class Known(torch.nn.Module):
    """f = log p_0 - log q."""

    def __init__(self, q, base):
        super().__init__()
        self.q, self.base = q, base
        self.anywhere = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return self.base.log_prob(z) - self.q.log_prob(z)


@pytest.mark.parametrize(("w", "is_known"), [(1.0, True), (2.0, False)])
def test_the_unrestricted_solution_is_the_posterior(w, is_known):
    """With f = log p_0 - log q, the density exp(-f) p_0 is q, and log Z = 0."""
    q, base = FourGaussians(), StandardGaussian(2)
    f = Known(q, base)
    prior = EnergyPrior(f, base=base, proposal=base, temperature=w, num_proposals=50)
    z = q.sample(500, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (abs(prior.log_normaliser()) < 0.03) == is_known
        error = (prior.log_prob(z) - q.log_prob(z)).abs().max()
    assert (error < 0.03) == is_known


def sampler_of_known_energy(dataset, **changes):
    """EVaLP's sampler, trained alone with f = log p_0 - log q and w = 1; and its loss."""
    changes = {"kl_weight": 1.0, "fit_learning_rate": 5e-3, "batch_size": 128, **changes}
    trainer = make("evalp", dataset, **changes)
    trainer.energy = Known(trainer.stage_1.dataset, trainer.stage_1.base)
    iterations = trainer.settings.iterations
    for trainer.iteration in range(iterations):
        trainer._before_step()
        terms = trainer._sampler_step()
    return trainer, float((terms["energy"] + terms["kl"]).detach())


@pytest.mark.slow
def test_a_sampler_alone_reaches_a_known_energy():
    """The loss is KL[p_g || q], whose minimum is 0."""
    trainer, loss = sampler_of_known_energy("latent_shifted", flow_units=32, iterations=600)
    assert abs(loss) < 0.02
    prior = EnergyPrior(
        trainer.energy, base=trainer.stage_1.base, proposal=trainer.flow.trained, temperature=1.0,
        num_proposals=1_000,
    )  # fmt: skip
    with torch.no_grad():
        assert prior.resampled(20, torch.Generator()).effective_share.mean() > 0.98
        assert abs(prior.log_normaliser()) < 0.01


@pytest.mark.slow
def test_a_sampler_alone_reaches_all_of_four_modes():
    """With six blocks; three leave a divergence of 0.7 nats."""
    trainer, divergence = sampler_of_known_energy(
        "latent_4gaussians", coupling_blocks=6, flow_units=64, fit_learning_rate=1e-3,
        iterations=3000,
    )  # fmt: skip
    assert -0.05 < divergence < 0.25
    stream = torch.Generator().manual_seed(0)
    real = trainer.stage_1.dataset.sample(2_000, stream)
    with torch.no_grad():
        found = trainer.flow.trained.sample(2_000, stream)
    assert mmd_squared(real, found, bandwidths=(0.25, 0.5, 1.0, 2.0)) < 0.01
