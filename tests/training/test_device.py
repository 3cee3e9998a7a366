"""Between reports, no trainer waits for its device or hands it anything.

Shown with tensors that have no values, on torch's device ``meta``: reading one is an error there
(`item`, `bool`, `nonzero`, masks, `cpu`), and so is most that mixes it with tensors of the host.
"""

import contextlib
import sys

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from introsearch.data.images import to_float
from introsearch.extensions import load
from introsearch.registry import TRAINERS
from introsearch.settings.base import resolve_settings
from introsearch.training import stepwise
from introsearch.training.latent.frozen_model import FrozenModel
from introsearch.training.vae import proposition1
from tests.training.latent.test_priors import METHODS, settings_of
from tests.training.shallow.test_trainer import CASES
from tests.training.test_trainers import COLUMNS, STAGES

META = torch.device("meta")
FROM_HOST = {"tensor", "as_tensor", "asarray", "from_numpy", "new_tensor"}
STEPS = 6
SHORT = {"warmup_iterations": 3, "handover_iterations": 1}  # of sintrovae
# Meta has no autocast; some data are chosen by label before the first step; EM takes no steps.
LEFT_OUT = ("ip_lc-bf16", "collapse-cvae-one-digit", "latent_gmm")
EVERY_CASE = {
    **{
        name: (trainer, resolve_settings(trainer, p | SHORT if p.keys() >= STAGES.keys() else p))
        for name, (trainer, p) in COLUMNS.items()
    },
    **{f"collapse-{name}": (t, resolve_settings(t, p)) for name, (t, p) in CASES.items()},
    **{
        f"{method}-{dataset}": (method, settings_of(method, dataset))
        for method in METHODS
        for dataset in ("latent_4gaussians", "latent_shifted", "digits")
    },
}


class Stream(torch.Generator):
    """There are none on `meta`, and nothing is drawn."""

    device = META


class Descent(torch.optim.SGD):
    """In place of Adam, of whose fused kernels there are none on `meta`."""

    def __init__(self, parameters, *, lr, fused, betas=None):
        assert fused
        super().__init__(parameters, lr)


class Copies(TorchFunctionMode):
    """Notes where tensors are made of values of the host, or copied to another device."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, output)) if isinstance(t, torch.Tensor)]
        if function.__name__ in FROM_HOST or len({t.device for t in tensors}) > 1:
            self.found.add(function.__name__)
        return output


@pytest.fixture
def _without_values(monkeypatch):
    for name, module in list(sys.modules.items()):
        if name.startswith("introsearch.") and hasattr(module, "make_stream"):
            monkeypatch.setattr(module, "make_stream", lambda seed, purpose, *, device: Stream())
    monkeypatch.setattr(torch.optim, "Adam", Descent)
    monkeypatch.setattr(stepwise, "mean_terms", lambda history, start: {})
    # Before the first step, these look at labels, and train and keep a VAE.
    monkeypatch.setattr(
        proposition1, "first_of_each_class", lambda data, n: to_float(data.train.images[:n])
    )
    monkeypatch.setattr(FrozenModel, "_trained", FrozenModel._states)


def copies_of(trainer, settings):
    made = load(TRAINERS[trainer].trainer)(settings, seed=0, device=META)
    with Copies() as copies:
        made.advance(STEPS)
    return copies.found


@pytest.mark.usefixtures("_without_values")
@pytest.mark.parametrize("case", [c for c in EVERY_CASE if not c.startswith(LEFT_OUT)])
def test_steps_stay_on_their_device(case):
    trainer, settings = EVERY_CASE[case]
    assert not copies_of(trainer, settings)


READS = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool(x.sum() > 0),
    "mask": lambda x: x[x > 0],
    "print": lambda x: x.cpu().tolist(),
    "constant": lambda x: x + x.new_tensor([1.0]),
    "mixed": lambda x: x + torch.ones(1),
    "moved": lambda x: torch.ones(1).to(META),
}


@pytest.mark.usefixtures("_without_values")
@pytest.mark.parametrize("read", READS)
def test_a_step_that_does_not_is_found(read, monkeypatch):
    trainer, settings = EVERY_CASE["vae"]
    step = load(TRAINERS[trainer].trainer)._step

    def reading(self):
        READS[read](self.encoder.net[0].weight)
        return step(self)

    monkeypatch.setattr(load(TRAINERS[trainer].trainer), "_step", reading)
    with contextlib.suppress(RuntimeError, NotImplementedError):
        assert copies_of(trainer, settings)
