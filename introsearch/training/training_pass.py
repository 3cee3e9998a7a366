"""How training goes through a network: in which number format, compiled or as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from introsearch.settings.hardware import HardwareSettings
from introsearch.training.compilation import compiled, is_wanted


def training_pass(net: nn.Module, settings: HardwareSettings, *, device: torch.device) -> nn.Module:
    """What training calls in place of `net`; it has the same parameters.

    Evaluation calls `net` itself: in float32, and not compiled.

    Raises:
        ConfigError: the network is to be compiled, and that does not work here.
    """
    inner = compiled(net) if is_wanted(settings.compile, device) else net
    return BFloat16Pass(inner, device) if settings.precision == "bf16" else inner


class BFloat16Pass(nn.Module):
    """An autocast around a network that gives back the number format of its input.

    Args:
        net: the network.
        device: where it is.
    """

    def __init__(self, net: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.net = net
        self.device_type = device.type

    def forward(self, x: Tensor) -> Any:
        """What the network makes of `x`."""
        with torch.autocast(self.device_type, torch.bfloat16):
            return self.net(x)


@contextmanager
def as_constant(net: nn.Module) -> Iterator[None]:
    """Gradients of what is computed inside reach the network's inputs, and not its parameters.

    What is not in the graph is not computed: a compiled backward pass computes all of its graph.
    """
    trained = [p for p in net.parameters() if p.requires_grad]
    for p in trained:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trained:
            p.requires_grad_(True)
