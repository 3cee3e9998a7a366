"""What every trainer and every column of Table 1 must do."""

import copy
import weakref

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from introsearch.bench.reference import introspective_step, reference_step
from introsearch.data import images
from introsearch.errors import TrialDiverged
from introsearch.extensions import load, metrics_for
from introsearch.priors.mixture import MixtureOfGaussians
from introsearch.priors.vamp import VampPrior
from introsearch.registry import TRAINERS, is_costly
from introsearch.settings.base import resolve_settings
from introsearch.training.figure_data import ImageFigure
from introsearch.training.latent.base import LatentPriorTrainer
from introsearch.training.shallow.trainer import CollapseTrainer
from introsearch.training.vae import epochs
from introsearch.training.vae import figures as model_figures

SMALL = {
    "dataset": "rings",
    "iterations": 40,
    "batch_size": 16,
    "hidden_units": 16,
    "num_draws": 5,
    "beta_rec": 0.2,
    "beta_kl": 0.3,
    "lr_milestones": [25],
}
IMAGES = {
    "dataset": "digits",
    "train_images": 100,
    "iterations": 40,
    "batch_size": 16,
    "latent_dim": 3,
    "channels": [4, 8],
    "num_draws": 5,
    "lr_milestones": [25],
}
STAGES = {"warmup_iterations": 20, "handover_iterations": 5, "beta_neg": 0.9}
MIXTURE = {"prior": "mog", "components": 6}
LC = {"learnable_contributions": True}
COLUMNS = {
    "vae": ("vae", SMALL),
    "vae-vamp": ("vae", {**SMALL, "prior": "vamp", "components": 6}),
    "vae-mog": ("vae", {**SMALL, **MIXTURE, **LC}),
    "sg": ("sintrovae", {**SMALL, **STAGES}),
    "sg-mc": ("sintrovae", {**SMALL, **STAGES, "kl_estimator": "monte_carlo"}),
    "mog": ("sintrovae", {**SMALL, **STAGES, **MIXTURE}),
    "mog_lc": ("sintrovae", {**SMALL, **STAGES, **MIXTURE, **LC}),
    "ip": ("sintrovae", {**SMALL, **STAGES, **MIXTURE, "intro_prior": True}),
    "ip_lc": ("sintrovae", {**SMALL, **STAGES, **MIXTURE, **LC, "intro_prior": True}),
    "ip_lc-r": (
        "sintrovae",
        {**SMALL, **STAGES, **MIXTURE, **LC, "intro_prior": True, "r_entropy": 10.0},
    ),
    "ip_lc-bf16": (
        "sintrovae",
        {**SMALL, **STAGES, **MIXTURE, **LC, "intro_prior": True, "precision": "bf16"},
    ),
    "images-vae-vamp": ("vae", {**IMAGES, "prior": "vamp", "components": 6}),
    "images-vae-strided": ("vae", {**IMAGES, "networks": "strided"}),
    "proposition1": ("proposition1", {**IMAGES, "warmup_iterations": 20, "beta_neg": 0.9}),
    "images-ip_lc-r": (
        "sintrovae",
        {**IMAGES, **STAGES, **MIXTURE, **LC, "intro_prior": True, "r_entropy": 10.0},
    ),
}


@pytest.fixture(autouse=True)
def _fewer_points(monkeypatch):
    monkeypatch.setattr(model_figures, "_LATENTS", 30)


def make(column, seed=0, **changes):
    trainer, parameters = COLUMNS[column]
    return load(TRAINERS[trainer].trainer)(
        resolve_settings(trainer, {**parameters, **changes}), seed=seed
    )


def weights(trainer):
    """Averaged ones too, where there are any."""
    averaged = trainer.average.modules.values() if hasattr(trainer, "average") else ()
    parts = (trainer.encoder, trainer.decoder, trainer.prior, *averaged)
    return [v.clone() for part in parts for v in part.state_dict().values() if torch.is_tensor(v)]


def parameters(trainer):
    """Those of the model itself."""
    parts = (trainer.encoder, trainer.decoder, trainer.prior)
    return [p.detach().clone() for part in parts for p in part.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_every_trainer_is_covered():
    """The others, by their base class, have tests in `latent/` and `shallow/`."""
    others = (LatentPriorTrainer, CollapseTrainer)
    rest = {n for n, e in TRAINERS.items() if not issubclass(load(e.trainer), others)}
    assert {trainer for trainer, _ in COLUMNS.values()} == rest


# With learnable contributions, these do all that they do without, and more.
MOST_COLUMNS = [column for column in COLUMNS if column not in ("mog", "ip")]


@pytest.mark.parametrize("column", MOST_COLUMNS)
class TestEveryColumn:
    def test_the_seed_decides_everything(self, column):
        runs = [make(column, seed=s) for s in (0, 0, 1)]
        losses = [run.advance(30) for run in runs]
        assert losses[0] == losses[1]
        assert losses[0] != losses[2]
        assert same(weights(runs[0]), weights(runs[1]))

    def test_looking_changes_nothing(self, column):
        watched, alone = make(column), make(column)
        names = metrics_for("vae", {"dataset": watched.settings.dataset})
        for iterations in (15, 15, 10):
            watched.evaluate(["active_units", "responsibility_entropy"], averaged=True)
            details = watched.details()
            watched.evaluate([n for n in names if not is_costly(n)])
            assert details == watched.details()
            assert details["unit_kl/01"] >= details["unit_kl/02"]
            watched.figures()
            watched.advance(iterations)
        global_state = torch.get_rng_state()
        alone.advance(40)
        assert torch.equal(global_state, torch.get_rng_state())
        assert same(weights(watched), weights(alone))

    def test_details_are_of_the_model_as_it_is_now(self, column):
        """Whatever an evaluation before left for them."""
        first, second = make(column), make(column)
        first.evaluate(["active_units"])
        before = first.details()
        first.advance(3)
        assert first.details() != before
        second.evaluate(["active_units"])
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert second.details() == first.details()

    def test_figures_are_whole(self, column):
        trainer = make(column)
        trainer.advance(30)
        figure = trainer.figures()["model"]
        if isinstance(figure, ImageFigure):
            assert figure.samples.shape == (64, 8, 8, 1)
            assert figure.originals.shape == figure.reconstructions.shape == (30, 8, 8, 1)
            assert len(figure.latents) == len(figure.labels) == len(figure.aggregate)
        else:
            assert figure.samples.shape == figure.real.shape == figure.latents.shape
        assert figure.component_weights.sum() == pytest.approx(1.0, abs=1e-5)
        assert len(figure.component_means) == trainer.settings.components

    def test_learning_rate_falls_at_the_milestone(self, column):
        trainer = make(column)
        rates = []
        for _ in range(40):
            trainer.advance(1)
            rates.append(trainer.optimisers["encoder"].param_groups[0]["lr"])
        assert rates == [2e-4] * 25 + [pytest.approx(2e-5)] * 15

    @pytest.mark.parametrize("at", [3, 22])
    def test_divergence_says_which_term_and_when(self, column, at):
        trainer = make(column)
        trainer.advance(at)
        with torch.no_grad():
            trainer.decoder.net[0].weight.fill_(torch.nan)
        with pytest.raises(TrialDiverged) as caught:
            trainer.advance(5)
        assert caught.value.iteration == at + 1


@pytest.mark.parametrize("column", MOST_COLUMNS)
def test_a_restored_run_is_the_uninterrupted_one_bit_for_bit(column):
    straight, first = make(column), make(column)
    states = {}
    for at in (7, 15, 17, 20, 25, 33) if column == "ip_lc" else (17, 33):
        first.advance(at - first.iteration)
        states[at] = copy.deepcopy(first.state_dict())
    straight.advance(33)
    expected = straight.advance(7)
    for at, state in states.items():
        second = make(column, seed=5)
        second.seed = 0
        second.load_state_dict(state)
        if at < 33:
            second.advance(33 - at)
        assert second.advance(7) == expected, f"from {at} on"
        assert same(weights(straight), weights(second)), f"from {at} on"


@pytest.fixture
def in_double_precision(monkeypatch):
    """In single precision, terms of a few per cent of a step could be wrong unnoticed."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.double)
    for module in (images, epochs):
        monkeypatch.setattr(module, "to_float", lambda values: values.double() / 255)
    yield
    torch.set_default_dtype(before)


EVERY_TERM = (
    *((column, {}) for column in ("sg", "sg-mc", "mog", "mog_lc", "ip", "ip_lc")),
    *((column, {}) for column in ("ip_lc-r", "images-ip_lc-r")),
    ("ip_lc-r", {"gamma": 1.5, "gamma_r": 0.7, "alpha": 3.0}),
    ("images-ip_lc-r", {"gamma_r": 0.7}),
    ("ip_lc-r", {"detach_target": True}),
)


@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize(("column", "changes"), EVERY_TERM)
def test_one_step_equals_the_plain_reference(column, changes):
    """No shared pass, confined backward or fast log-density changes a step's outcome."""
    compare_a_step(column, changes, rel=1e-10, atol=1e-9)


@pytest.mark.parametrize(("column", "changes"), EVERY_TERM)
def test_one_step_in_single_precision_is_the_plain_reference_within_its_rounding(column, changes):
    compare_a_step(column, changes, rel=2e-5, atol=1e-6)  # a step goes 2e-4 far


def compare_a_step(column, changes, *, rel, atol):
    """With the plain reference: `rel` for its terms, `atol` for the weights that it leaves."""
    fast, plain = (make(column, **{"gamma_r": 0.0, **changes}) for _ in range(2))
    fast.advance(22)
    plain.load_state_dict(copy.deepcopy(fast.state_dict()))
    terms = fast.advance(1)
    expected = {name: value.item() for name, value in introspective_step(plain).items()}
    assert terms == pytest.approx(expected, rel=rel, abs=rel / 10)
    for a, b in zip(parameters(fast), parameters(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=atol)
    assert torch.equal(fast.streams["noise"].get_state(), plain.streams["noise"].get_state())


@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize("column", ["vae", "vae-vamp", "vae-mog", "sg", "ip_lc", "images-vae-vamp"])
def test_one_step_of_a_vae_equals_the_plain_reference(column):
    """Stage 1 of the introspective trainer too."""
    fast, plain = make(column), make(column)
    fast.advance(3)
    plain.load_state_dict(copy.deepcopy(fast.state_dict()))
    step = reference_step(plain)
    fast.advance(1)
    step(plain)
    for a, b in zip(parameters(fast), parameters(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_no_pass_is_wasted():
    """Matrix products of an iteration with the Gaussian prior: 13 encoder and 11 decoder passes.

    Forward, to weights or to inputs, a pass costs the same; into data, no gradient is needed.
    """
    trainer = make("sg")
    trainer.advance(22)
    with FlopCounterMode(display=False) as counter:
        trainer.advance(1)
    encoder, decoder = (
        [m.weight.numel() for m in net.modules() if isinstance(m, torch.nn.Linear)]
        for net in (trainer.encoder, trainer.decoder)
    )
    products = 13 * sum(encoder) - 3 * encoder[0] + 11 * sum(decoder) - 2 * decoder[0]
    assert counter.get_total_flops() == 2 * SMALL["batch_size"] * products


def test_feature_maps_of_the_encoder_step_are_gone_before_the_next(monkeypatch):
    """What the decoder's step uses again is what both share."""
    trainer, kept, counts = make("images-ip_lc-r"), weakref.WeakSet(), []
    trainer.advance(22)

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor.detach()
            kept.add(self)

    def counting(step):
        return lambda *args: counts.append(len(kept)) or step(*args)

    for name in ("_encoder_step", "_generator_step"):
        monkeypatch.setattr(trainer, name, counting(getattr(trainer, name)))
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        trainer.advance(1)
    before, after = counts
    assert after <= before


@pytest.mark.parametrize(("column", "learns"), [("mog", False), ("ip", True), ("ip_lc", True)])
def test_prior_learns_in_stage_2_only_with_ip(column, learns):
    trainer = make(column)
    trainer.advance(21)
    before = [p.clone() for p in trainer.prior.parameters()]
    trainer.advance(5)
    changed = [
        not torch.equal(a, b) for a, b in zip(before, trainer.prior.parameters(), strict=True)
    ]
    assert changed == [learns, learns, learns and column == "ip_lc"]


def test_mixture_weights_learn_during_warm_up_with_lc_alone():
    for column in ("mog", "mog_lc"):
        trainer = make(column)
        trainer.advance(18)
        even = torch.full((6,), 1 / 6).log()
        assert torch.allclose(trainer.prior.components().log_weights, even) == (column == "mog")


def test_hand_over_replaces_the_vamp_prior_and_all_optimisers():
    trainer = make("ip_lc")
    trainer.advance(15)
    assert isinstance(trainer.prior, VampPrior)
    old = trainer.optimisers
    trainer.advance(1)
    assert isinstance(trainer.prior, MixtureOfGaussians)
    assert all(trainer.optimisers[k] is not old[k] for k in old)


def test_pseudo_inputs_stay_images_where_data_are_images():
    assert make("images-ip_lc-r").prior.data_range == (0.0, 1.0)
    assert make("ip_lc").prior.data_range is None


def test_clipping_starts_with_stage_2_and_for_ip_only():
    for column in ("mog", "ip"):
        trainer = make(column)
        trainer.advance(20)
        assert not trainer.prior.is_clipping
        trainer.advance(1)
        assert trainer.prior.is_clipping == (column == "ip")


def test_gamma_r_of_the_paper_changes_nothing_in_a_step(monkeypatch):
    """Its two extra decoder passes are skipped: here is what they would have changed."""

    def one_step(threshold, **changes):
        monkeypatch.setattr("introsearch.training.vae.sintrovae.SMALLEST_GAMMA_R", threshold)
        trainer = make("sg", **changes)
        trainer.advance(21)
        return weights(trainer)

    assert same(one_step(1e-7), one_step(0.0))
    assert not same(one_step(1e-7), one_step(0.0, gamma_r=1e-2))


def test_the_average_follows_the_weights_and_is_what_averaged_metrics_judge():
    trainer = make("ip_lc", average_decay=0.5)
    trainer.advance(20)
    expected = trainer.encoder.net[0].weight.detach().clone()
    for _ in range(3):
        trainer.advance(1)
        expected = 0.5 * expected + 0.5 * trainer.encoder.net[0].weight.detach()
    torch.testing.assert_close(trainer.average.modules["encoder"].net[0].weight, expected)


@pytest.mark.parametrize("column", ["sg", "mog_lc", "ip", "ip_lc"])
def test_without_decay_the_average_is_the_model(column):
    """Soft clipping included, and after a restore too."""
    trainer, restored = make(column, average_decay=0.0), make(column, average_decay=0.0)
    trainer.advance(25)
    restored.load_state_dict(copy.deepcopy(trainer.state_dict()))
    for one in (trainer, restored):
        averaged = one.average.modules["prior"].components()
        for a, b in zip(averaged, one.prior.components(), strict=True):
            assert torch.equal(a, b)
        names = ["hist_kl", "responsibility_entropy"]
        assert one.evaluate(names, averaged=True) == one.evaluate(names)


def test_vae_learns_to_reconstruct():
    easy = {"lr_milestones": [], "learning_rate": 3e-3, "beta_rec": 1.0, "beta_kl": 0.01}
    trainer = make("vae", iterations=400, batch_size=64, **easy)
    first = trainer.advance(20)["rec"]
    trainer.advance(360)
    assert trainer.advance(20)["rec"] < 0.2 * first
