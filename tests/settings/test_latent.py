"""Settings of fitted priors: those of their stage 1, and what is said of them where it has none."""

import pytest

from introsearch.settings import latent
from introsearch.settings.base import resolve_settings, written_fields
from introsearch.settings.latent import EVaLPSettings, LatentPriorSettings
from introsearch.settings.sintrovae import SIntroVAESettings
from introsearch.settings.vae import VAESettings

# What has an effect even where a finished trial is stage 1.
STAGE_2 = {"iterations", "dataset", "batch_size", "fit_learning_rate"}
OF_IMAGES = {"pseudo_input_clamp", 
    "train_images", "image_folder", "image_size", "image_channels", "feature_extractor",
    "num_samples",
}  # fmt: skip


def test_every_setting_has_an_effect_or_is_refused():
    """A setting that is added must be put on one of the lists."""
    names = written_fields(LatentPriorSettings).keys() - {"epochs"}  # always refused
    assert names == STAGE_2 | OF_IMAGES | {*latent._MODEL, *latent._TRAINING}


def test_a_fitted_prior_has_a_vae_and_is_none():
    settings = resolve_settings("evalp", {"dataset": "digits", "beta_kl": 0.5})
    assert isinstance(settings, EVaLPSettings)
    assert not isinstance(settings, VAESettings)
    assert issubclass(SIntroVAESettings, VAESettings)
    assert settings.stage_1 == resolve_settings(
        "vae", {"dataset": "digits", "beta_kl": 0.5, "iterations": settings.stage1_iterations}
    )


@pytest.mark.parametrize("dataset", ["rings", "digits", "mnist", "cifar10"])
def test_stage_1_is_as_long_as_a_vae_of_the_same_data(dataset):
    fitted, plain = (resolve_settings(t, {"dataset": dataset}) for t in ("ncp", "vae"))
    assert fitted.stage1_iterations == plain.iterations
    assert fitted.epoch_length is None
