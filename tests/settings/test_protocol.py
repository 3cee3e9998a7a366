"""The published protocols, value by value: what is trained where a study file says nothing."""

from pathlib import Path

import pytest
import torch
from torch import nn

from introsearch.extensions import load
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings
from introsearch.study.file.loader import load_study
from introsearch.study.search.expand import expand

SPACES = Path(__file__).parents[2] / "search_spaces"
EPOCH = {"mnist": 468, "fashion_mnist": 468, "cifar10": 1_562, "svhn": 2_289}
POINTS = {
    "iterations": 30_000, "warmup_iterations": 2_000, "handover_iterations": 100,
    "batch_size": 512, "hidden_units": 256, "latent_dim": 2, "lr_milestones": (10_000, 15_000),
    "lr_decay": 0.1, "components": 64,
}  # fmt: skip
GREY = {"channels": (64, 128), "latent_dim": 32, "batch_size": 128}
COLOUR = {"channels": (64, 128, 256), "latent_dim": 128, "batch_size": 32}
IMAGES = {
    "mnist": {**GREY, "beta_neg": 128.0},
    "fashion_mnist": {**GREY, "beta_neg": 256.0},
    "cifar10": {**COLOUR, "beta_neg": 256.0},
    "svhn": {**COLOUR, "beta_neg": 256.0},
}
OF_ALL = {
    "beta_rec": 1.0, "beta_kl": 1.0, "learning_rate": 2e-4, "num_draws": 100, "alpha": 2.0,
    "gamma": 1.0, "gamma_r": 1e-8, "clip_sharpness": 10.0, "r_entropy": 0.0,
}  # fmt: skip


def chosen(settings, names):
    return {name: getattr(settings, name) for name in names}


def test_points():
    expected = OF_ALL | POINTS
    for dataset in ("8gaussians", "2spirals", "checkerboard", "rings"):
        settings = resolve_settings("sintrovae", {"dataset": dataset, "prior": "mog"})
        assert chosen(settings, expected) == expected
    plain = resolve_settings("vae", {})
    same = {n: v for n, v in expected.items() if hasattr(plain, n) and n != "components"}
    assert chosen(plain, same) == same


@pytest.mark.parametrize("dataset", IMAGES)
def test_images(dataset):
    settings = resolve_settings("sintrovae", {"dataset": dataset, "prior": "mog"})
    lengths = {"iterations": 220, "warmup_iterations": 20, "handover_iterations": 5}
    expected = OF_ALL | IMAGES[dataset] | {"lr_milestones": (), "components": 100}
    expected |= {name: epochs * EPOCH[dataset] for name, epochs in lengths.items()}
    expected |= {"num_samples": 50_000, "epoch_length": EPOCH[dataset]}
    assert chosen(settings, expected) == expected


def test_every_player_has_adam_with_its_usual_decay():
    """Before the hand-over and after it."""
    settings = {"prior": "mog", "components": 4, "batch_size": 8, "hidden_units": 4, "num_draws": 2}
    settings |= {"iterations": 9, "warmup_iterations": 3, "handover_iterations": 1}
    trainer = load(TRAINERS["sintrovae"].trainer)(
        resolve_settings("sintrovae", {**settings, "intro_prior": True}), seed=0
    )
    for iterations in (1, 5):
        trainer.advance(iterations)
        assert set(trainer.optimisers) == {"encoder", "generator"}
        for adam in trainer.optimisers.values():
            assert type(adam) is torch.optim.Adam
            (group,) = adam.param_groups
            assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)
            assert (group["weight_decay"], group["amsgrad"]) == (0, False)


def test_networks_of_points_have_an_input_layer_and_three_hidden_ones():
    trainer = load(TRAINERS["vae"].trainer)(resolve_settings("vae", {"batch_size": 8}), seed=0)
    for net, outputs in ((trainer.encoder.net, 4), (trainer.decoder.net, 2)):
        linear, rest = net[::2], net[1::2]
        sizes = [(layer.in_features, layer.out_features) for layer in linear]
        assert sizes == [(2, 256), (256, 256), (256, 256), (256, 256), (256, outputs)]
        assert [type(layer) for layer in rest] == [nn.ReLU] * 4


def test_fitted_priors():
    """Of MNIST; the paper has three coupling blocks, its code two."""
    s = resolve_settings("evalp", {"dataset": "mnist"})
    expected = {
        "energy_units": 128, "flow_units": 128, "coupling_blocks": 3, "penalty_weight": 10.0,
        "critic_steps": 5, "fit_learning_rate": 5e-4, "one_sided_penalty": False,
    }  # fmt: skip
    assert chosen(s, expected) == expected
    assert resolve_settings("evalp", {"dataset": "mnist", "sampling": "sir"}).proposals == 100
    assert resolve_settings("latent_gmm", {"dataset": "mnist"}).gaussians == 10


def test_networks_of_fitted_priors():
    """Slopes of 0.01 in the energy; in the flow tanh for scales and ReLU for shifts."""
    trainer = load(TRAINERS["evalp"].trainer)(
        resolve_settings("evalp", {"dataset": "latent_4gaussians"}), seed=0
    )
    slopes = [m.negative_slope for m in trainer.energy.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.01, 0.01]
    blocks = trainer.flow.trained.flow.blocks
    assert len(blocks) == 3
    for net, activation in [(b.scale, torch.tanh) for b in blocks] + [
        (b.shift, torch.relu) for b in blocks
    ]:
        first, one, second, other, last = net
        for layer in (one, other):
            x = torch.tensor([-1.0, 0.5])
            torch.testing.assert_close(layer(x.clone()), activation(x))
        square = second.weight.detach() @ second.weight.detach().T
        torch.testing.assert_close(square, torch.eye(128), rtol=0, atol=1e-5)
        assert not last.weight.any()
        assert not any(layer.bias.any() for layer in (first, second, last))


def test_the_2d_grid_is_the_published_one():
    expansion = expand(load_study(SPACES / "2d_grid.yaml"))
    betas = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0)
    grid = {
        (rec, kl, round(kl * times, 9))
        for rec in (0.05, 0.2, 0.3, 0.4, 0.8, 1.0) for kl in betas for times in (1, 2, 3, 4, 5)
    }  # fmt: skip
    plain = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 1.0)
    assert len(expansion.members) == 24
    for group, members in expansion.members.items():
        variant = group.rpartition(" / ")[2]
        if variant == "vae":
            found = {(c.settings["beta_rec"], c.settings["beta_kl"]) for c in members}
            assert found == {(rec, kl) for rec in plain for kl in plain}
            continue
        found = {
            (s["beta_rec"], s["beta_kl"], round(s["beta_neg"], 9))
            for s in (c.settings for c in members)
        }
        assert (len(members), found) == (210, grid)
        s = members[0].settings
        assert s["intro_prior"] == (variant in ("ip", "ip_lc"))
        assert s["learnable_contributions"] == variant.endswith("_lc")
        assert s["components"] == (1 if variant == "sg" else 64)
        assert {name: tuple(v) if isinstance(v := s[name], list) else v for name in POINTS} == (
            POINTS | {"components": s["components"]}
        )


def test_the_image_study_has_the_published_settings():
    expansion = expand(load_study(SPACES / "images_entropy.yaml"))
    assert len(expansion.members) == 27
    for group, members in expansion.members.items():
        dataset, _, variant = group.partition(" / ")
        weights = sorted(c.settings["r_entropy"] for c in members)
        assert weights == ([0.0] if variant == "sg" else [0.0, 1.0, 10.0, 100.0])
        s = members[0].settings
        assert s["components"] == (1 if variant == "sg" else 100 if "100" in variant else 10)
        assert s["intro_prior"] == variant.startswith("ip")
        assert s["learnable_contributions"] == variant.endswith("_lc")
        assert s["iterations"] == 220 * EPOCH[dataset]
        assert (s["beta_neg"], s["num_samples"]) == (IMAGES[dataset]["beta_neg"], 50_000)
        assert (s["feature_extractor"], s["beta_kl"], s["beta_rec"]) == ("inception", 1.0, 1.0)
