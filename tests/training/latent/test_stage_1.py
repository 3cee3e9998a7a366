"""Finished trials as stage 1 of others, read back from their checkpoints."""

import copy
import io

import pytest
import torch

from introsearch.errors import ConfigError
from introsearch.extensions import load
from introsearch.files import checkpoint_path, set_runs_folder, write_atomically
from introsearch.priors.mixture import MixtureOfGaussians
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.training.latent.base import LatentPriorTrainer
from introsearch.training.latent.stage_1 import read_stage_1
from introsearch.trial.order import TrialOrder
from introsearch.trial.run import TrialRun

METHODS = [n for n, e in TRAINERS.items() if issubclass(load(e.trainer), LatentPriorTrainer)]
DIGITS = {"dataset": "digits", "train_images": 100, "num_samples": 20}
VAE = {**DIGITS, "latent_dim": 3, "channels": [4, 8], "batch_size": 16, "iterations": 6}
INTROSPECTIVE = {
    **VAE,
    "prior": "mog",
    "components": 4,
    "intro_prior": True,
    "num_draws": 3,
    "warmup_iterations": 3,
    "handover_iterations": 1,
}
ID = "0123456789ab"


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    monkeypatch.setattr("introsearch.files._runs_folder", None)
    set_runs_folder(tmp_path / "runs")


def trained(settings, *, trainer="vae", seed=1):
    order = TrialOrder(
        name=f"{ID}-s{seed}",
        title="",
        trainer=trainer,
        settings=settings_to_dict(resolve_settings(trainer, settings)),
        seed=seed,
        costly_metrics=False,
        evaluate_every=100,
        figures_at=(),
        folder="",
        cpus=1,
        gpus=0,
    )
    run = TrialRun(order)
    run.trainer.evaluate = lambda names, averaged=False: {}
    run.step()
    return run


def keep(run, tmp_path, *, study="first", **changes):
    """Write its checkpoint as a study does."""
    buffer = io.BytesIO()
    torch.save({**run.state_dict(), **changes}, buffer)
    path = checkpoint_path(tmp_path / "runs" / study, run.order.name)
    write_atomically(path, buffer.getvalue())
    return path


def settings_of(method, **changes):
    values = {**DIGITS, "latent_dim": 3, "iterations": 20, "batch_size": 16}
    return resolve_settings(method, {**values, "stage1_trial": ID, **changes})


def make(method, *, seed=1, **changes):
    return load(TRAINERS[method].trainer)(settings_of(method, **changes), seed=seed)


def weights(holder, *parts):
    modules = (getattr(holder, part) for part in parts)
    return [v.clone() for m in modules for v in m.state_dict().values() if torch.is_tensor(v)]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("trainer", "settings"), [("vae", VAE), ("sintrovae", INTROSPECTIVE)])
def test_every_method_fits_a_prior_to_a_finished_trial(method, trainer, settings, tmp_path):
    found = trained(settings, trainer=trainer)
    keep(found, tmp_path)
    straight, first = make(method), make(method)
    straight.advance(7)
    first.advance(7)
    ours = weights(straight.stage_1, "encoder", "decoder", "base")
    assert same(ours, weights(found.trainer, "encoder", "decoder", "prior"))
    second = make(method)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert second.advance(13) == straight.advance(13)
    assert same(weights(second.stage_1, "encoder", "decoder", "base"), ours)
    assert same(weights(straight, "prior"), weights(second, "prior"))
    assert straight.prior.sample(5, torch.Generator()).shape == (5, 3)


def test_the_prior_of_an_introspective_vae_is_the_base(tmp_path):
    keep(trained(INTROSPECTIVE, trainer="sintrovae"), tmp_path)
    assert isinstance(make("evalp").stage_1.base, MixtureOfGaussians)


def test_each_seed_has_the_trial_of_the_same_seed_unless_one_is_named(tmp_path):
    runs = [trained(VAE, seed=seed) for seed in (1, 2)]
    for run in runs:
        keep(run, tmp_path)
    for seed, changes, i in ((1, {}, 0), (2, {}, 1), (2, {"stage1_trial": f"{ID}-s1"}, 0)):
        mine = make("ncp", seed=seed, **changes)
        assert same(weights(mine.stage_1, "encoder"), weights(runs[i].trainer, "encoder"))


def test_of_several_checkpoints_one_that_has_finished_counts(tmp_path):
    run = trained(VAE)
    keep(run, tmp_path, study="b")
    keep(run, tmp_path, study="a").write_bytes(b"damaged")
    assert read_stage_1(settings_of("ncp"), seed=1).seed == 1


def test_the_trial_is_part_of_the_settings_and_older_ones_are_as_they_were():
    assert settings_to_dict(settings_of("ncp"))["stage1_trial"] == ID
    assert "stage1_trial" not in settings_to_dict(resolve_settings("ncp", {"dataset": "digits"}))
    one = settings_of("evalp")
    assert resolve_settings("evalp", settings_to_dict(one)) == one


@pytest.mark.parametrize(
    ("changes", "key", "word"),
    [
        ({"stage1_trial": "nonsense"}, "stage1_trial", "no trial's name"),
        ({"stage1_seed": 2}, "stage1_seed", "stage 1 that is trained"),
        ({"stage1_iterations": 5}, "stage1_iterations", "finished trial"),
        ({"beta_kl": 0.5}, "beta_kl", "finished trial"),
        ({"channels": [4]}, "channels", "finished trial"),
        ({"dataset": "latent_shifted", "train_images": None, "num_samples": None,
          "latent_dim": 2}, "stage1_trial", "latent points"),
    ],
)  # fmt: skip
def test_settings_of_a_stage_that_is_not_trained_are_refused(changes, key, word):
    with pytest.raises(ConfigError, match=word) as caught:
        settings_of("evalp", **changes)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("dataset", "changes"),
    [
        ("latent_shifted", {}),
        ("rings", {"stage1_trial": ID}),
        ("digits", {"stage1_trial": f"{ID}-s1"}),
    ],
)
def test_a_default_counts_as_not_given_and_anything_else_does_not(dataset, changes):
    """For the record of a trial has all settings, those too that had no effect."""
    one = resolve_settings("ncp", {"dataset": dataset, **changes})
    recorded = settings_to_dict(one)
    assert {"beta_rec", "components", "lr_milestones"} <= recorded.keys()
    assert resolve_settings("ncp", recorded) == one
    for name, other in (("beta_rec", 3.0), ("num_draws", 2), ("lr_milestones", [7])):
        with pytest.raises(ConfigError, match="is for training stage 1") as caught:
            resolve_settings("ncp", {**recorded, name: other})
        assert caught.value.key == name


def refused(match, method="ncp", **changes):
    with pytest.raises(ConfigError, match=match) as caught:
        read_stage_1(settings_of(method, **changes), seed=1)
    assert caught.value.key == "stage1_trial"
    assert caught.value.hint


def test_a_trial_that_does_not_suit_is_refused(tmp_path):
    refused("no checkpoint")
    run = trained(VAE)
    path = keep(run, tmp_path)
    refused("latent_dim: 3, and this one 4", latent_dim=4)
    refused("train_images: 100, and this one 90", train_images=90)
    refused("dataset: digits, and this one mnist", dataset="mnist")
    path.write_bytes(path.read_bytes()[:-100])
    refused("damaged")
    keep(run, tmp_path, what=None)
    refused("before checkpoints said")
    ended = run.state_dict()["evaluations"][-1]
    keep(run, tmp_path, evaluations=[{**ended, "status": "running", "iteration": 3}])
    refused("has not finished: running at iteration 3")
    keep(
        run,
        tmp_path,
        evaluations=[{**ended, "status": "diverged", "reason": "loss term 'kl'"}],
    )
    refused(r"diverged at iteration 6 \(loss term 'kl'\)")
    fitted = settings_to_dict(settings_of("ncp"))
    keep(run, tmp_path, what={"trainer": "ncp", "settings": fitted, "seed": 1})
    refused("trains no encoder")
