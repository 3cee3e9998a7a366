import pytest

from introsearch.data.base import DataContext
from introsearch.errors import ConfigError
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.settings.images import IMAGE_DATA


def test_defaults_are_filled_in_and_depend_on_the_prior():
    sg = resolve_settings("sintrovae", {"beta_kl": 1})
    assert (sg.components, sg.kl_estimator, sg.beta_kl) == (1, "closed_form", 1.0)
    assert isinstance(sg.beta_kl, float)
    mog = resolve_settings("sintrovae", {"prior": "mog"})
    assert (mog.components, mog.kl_estimator) == (64, "monte_carlo")


def test_the_weight_of_reconstructions_depends_on_the_data_set():
    weights = {"rings": 1.0, "mnist": 1.0, "digits": 8.0}
    for dataset, weight in weights.items():
        assert resolve_settings("vae", {"dataset": dataset}).beta_rec == weight
    assert resolve_settings("vae", {"dataset": "digits", "beta_rec": 1}).beta_rec == 1.0


def test_plain_values_resolve_to_the_same_settings():
    settings = resolve_settings("sintrovae", {"prior": "mog", "intro_prior": True})
    assert resolve_settings("sintrovae", settings_to_dict(settings)) == settings


@pytest.mark.parametrize(
    ("parameters", "key", "words"),
    [
        ({"beta_klx": 1}, "beta_klx", "did you mean 'beta_kl'?"),
        ({"dataset": "ring"}, "dataset", "did you mean 'rings'?"),
        ({"prior": "mof"}, "prior", "did you mean 'mog'?"),
        ({"beta_kl": -0.1}, "beta_kl", "at least 0"),
        ({"beta_kl": "x"}, "beta_kl", "a finite number"),
        ({"beta_kl": float("nan")}, "beta_kl", "a finite number"),
        ({"beta_kl": True}, "beta_kl", "a finite number"),
        ({"intro_prior": 1}, "intro_prior", "true or false"),
        ({"iterations": 1.5}, "iterations", "a whole number"),
        ({"lr_milestones": [10, 5]}, "lr_milestones", "increasing"),
        ({"prior": "mog", "components": 0}, "components", "at least 1"),
        ({"components": 3}, "components", "one component"),
        ({"intro_prior": True}, "intro_prior", "prior: mog"),
        ({"learnable_contributions": True}, "learnable_contributions", "prior: mog"),
        ({"prior": "mog", "kl_estimator": "closed_form"}, "kl_estimator", "monte_carlo"),
        ({"r_entropy": 1.0}, "r_entropy", "prior: mog"),
        ({"prior": "mog", "handover_iterations": 3000}, "handover_iterations", "longer"),
        ({"iterations": 100}, "warmup_iterations", "longer"),
        ({"learning_rate": 0}, "learning_rate", "above 0"),
    ],
)
def test_bad_settings_name_the_key_and_what_would_be_legal(parameters, key, words):
    with pytest.raises(ConfigError) as caught:
        resolve_settings("sintrovae", parameters)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_unknown_trainer():
    with pytest.raises(ConfigError, match="did you mean 'sintrovae'"):
        resolve_settings("introvae", {})


IMAGES = {"dataset": "mnist"}


def test_images_have_the_published_protocol():
    mnist = resolve_settings("sintrovae", {**IMAGES, "prior": "mog"})
    assert (mnist.channels, mnist.latent_dim, mnist.batch_size) == ((64, 128), 32, 128)
    assert (mnist.beta_neg, mnist.components, mnist.lr_milestones) == (128.0, 100, ())
    epoch = 60_000 // 128
    lengths = (mnist.iterations, mnist.warmup_iterations, mnist.handover_iterations)
    assert lengths == (220 * epoch, 20 * epoch, 5 * epoch)
    cifar = resolve_settings("sintrovae", {"dataset": "cifar10"})
    assert (cifar.channels, cifar.latent_dim, cifar.batch_size) == ((64, 128, 256), 128, 32)
    assert (cifar.beta_neg, cifar.num_samples, cifar.hidden_units) == (256.0, 50_000, None)


def test_epochs_are_iterations_of_the_images_at_hand():
    small = resolve_settings(
        "sintrovae",
        {**IMAGES, "train_images": 1000, "batch_size": 30, "epochs": 4, "warmup_epochs": 2,
         "handover_epochs": 1},
    )  # fmt: skip
    lengths = (small.iterations, small.warmup_iterations, small.handover_iterations)
    assert lengths == (132, 66, 33)
    assert resolve_settings("sintrovae", settings_to_dict(small)) == small


def test_settings_that_do_not_apply_are_left_out():
    """So that a new one leaves the identities of older configurations as they are."""
    assert "channels" not in settings_to_dict(resolve_settings("vae", {}))
    assert "hidden_units" not in settings_to_dict(resolve_settings("vae", IMAGES))
    assert "epochs" not in settings_to_dict(resolve_settings("vae", {**IMAGES, "epochs": 3}))


FOLDER = {"dataset": "image_folder", "image_folder": "a", "image_size": 16, "image_channels": 1}


@pytest.mark.parametrize(
    ("parameters", "key", "words"),
    [
        ({**IMAGES, "hidden_units": 8}, "hidden_units", "is for points"),
        ({"epochs": 3}, "epochs", "is for images"),
        ({"channels": [8]}, "channels", "is for images"),
        ({**IMAGES, "image_size": 28}, "image_size", "dataset: image_folder"),
        ({**IMAGES, "epochs": 30, "iterations": 100}, "epochs", "beside iterations"),
        ({**IMAGES, "channels": []}, "channels", "an empty list"),
        ({**IMAGES, "channels": [8, 8, 8]}, "channels", "halved 2 times only"),
        ({**IMAGES, "channels": [0]}, "channels.0", "at least 1"),
        ({**IMAGES, "batch_size": 70_000}, "batch_size", "60,000 train images"),
        ({**IMAGES, "train_images": 99, "batch_size": 9, "prior": "mog"}, "components", "99 train"),
        ({**IMAGES, "train_images": 200, "num_samples": 201}, "num_samples", "at most 200"),
        ({**IMAGES, "feature_extractor": "incepton"}, "feature_extractor", "'inception'"),
        ({"dataset": "image_folder"}, "image_folder", "image_size: 32"),
        ({**FOLDER, "image_channels": 2}, "image_channels", "1 (grey) or 3"),
        ({**FOLDER, "image_size": 30}, "channels", "halved 1 times"),
        (FOLDER, "iterations", "set train_images"),
    ],
)
def test_bad_settings_of_images(parameters, key, words):
    with pytest.raises(ConfigError) as caught:
        resolve_settings("sintrovae", parameters)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_networks_for_images():
    plain = resolve_settings("vae", {"dataset": "mnist"})
    assert resolve_settings("vae", {"dataset": "mnist", "networks": "residual"}) == plain
    assert "networks" not in settings_to_dict(plain)
    strided = resolve_settings("vae", {"dataset": "mnist", "networks": "strided"})
    assert strided.channels == (128, 256, 512, 1024)
    assert resolve_settings("vae", settings_to_dict(strided)) == strided
    for values, key in (
        ({"dataset": "rings", "networks": "strided"}, "networks"),
        ({"dataset": "mnist", "networks": "stridden"}, "networks"),
        ({"dataset": "digits", "networks": "strided", "channels": [4] * 5}, "channels"),
        ({"dataset": "digits", "channels": [4] * 4}, "channels"),
    ):
        with pytest.raises(ConfigError) as caught:
            resolve_settings("vae", values)
        assert caught.value.key == key


def test_what_says_which_images_there_are_is_what_a_data_set_is_opened_with():
    assert ("device", *IMAGE_DATA) == DataContext._fields
    settings = resolve_settings("vae", {"dataset": "digits", "train_images": 500})
    assert [getattr(settings, name) for name in IMAGE_DATA] == [500, None, None, None]
