import pytest

from introsearch.errors import ConfigError
from introsearch.training.settings import resolve_settings, settings_to_dict


def test_defaults_are_filled_in_and_depend_on_the_prior():
    sg = resolve_settings("sintrovae", {"beta_kl": 1})
    assert (sg.components, sg.kl_estimator, sg.beta_kl) == (1, "closed_form", 1.0)
    assert isinstance(sg.beta_kl, float)
    mog = resolve_settings("sintrovae", {"prior": "mog"})
    assert (mog.components, mog.kl_estimator) == (64, "monte_carlo")


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
        ({"learning_rate": 0}, "learning_rate", "greater than 0"),
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
