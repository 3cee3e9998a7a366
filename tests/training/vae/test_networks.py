import pytest
import torch

from introsearch.errors import ConfigError
from introsearch.extensions import resolve
from introsearch.settings.base import resolve_settings, settings_to_dict

SMALL = {"dataset": "digits", "channels": [4, 8], "batch_size": 16, "num_draws": 2}
SMALL |= {"latent_dim": 3, "iterations": 4, "warmup_iterations": 1, "handover_iterations": 0}


def trainer(**changes):
    settings = resolve_settings("sintrovae", {**SMALL, **changes})
    return resolve("trainer", "sintrovae")(settings, seed=0)


def layouts(net, *inputs):
    """Whether each convolution puts out feature maps whose channels are last in memory."""
    found = []
    hooks = [
        module.register_forward_hook(
            lambda module, inputs, output: found.append(
                output.is_contiguous(memory_format=torch.channels_last)
            )
        )
        for module in net.modules()
        if isinstance(module, torch.nn.Conv2d) and module.out_channels > 1
    ]
    net(*inputs)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("channels_last", [False, True])
def test_feature_maps_have_the_layout_of_the_settings_after_a_restart_too(channels_last):
    one, other = (trainer(channels_last=channels_last) for _ in range(2))
    one.advance(2)
    other.load_state_dict(one.state_dict())
    for each in (one, other):
        for net in (each.encoder, each.average.modules["encoder"]):
            assert set(layouts(net, torch.rand(5, 1, 8, 8))) == {channels_last}
        assert set(layouts(each.decoder, torch.randn(5, 3))) == {channels_last}


def test_the_layout_changes_rounding_alone():
    losses = [trainer(channels_last=each).advance(4) for each in (False, True)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_it_is_a_setting_of_images():
    assert settings_to_dict(resolve_settings("vae", {"dataset": "digits"}))["channels_last"] is True
    assert "channels_last" not in settings_to_dict(resolve_settings("vae", {"dataset": "rings"}))
    with pytest.raises(ConfigError, match="is for images, and rings has none"):
        resolve_settings("vae", {"dataset": "rings", "channels_last": True})
