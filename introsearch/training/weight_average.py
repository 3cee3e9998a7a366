"""Exponential moving averages of weights, for evaluation only."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Copies of some modules whose parameters follow the originals' slowly.

    Args:
        modules: the originals by name; the average starts from their present values.
        decay: share of the old average that an update keeps, in [0, 1).
    """

    def __init__(self, modules: Mapping[str, nn.Module], *, decay: float) -> None:
        self.decay = decay
        self.modules = {name: copy.deepcopy(module) for name, module in modules.items()}
        self._averages = _parameters(self.modules)
        self._average = get_ema_multi_avg_fn(decay)

    def update(self, modules: Mapping[str, nn.Module]) -> None:
        """average <- decay * average + (1 - decay) * present parameters, without a host sync."""
        self._average(self._averages, _parameters(modules), None)

    def state_dict(self) -> dict[str, Any]:
        """State of all averaged modules, by name."""
        return {name: module.state_dict() for name, module in self.modules.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved average."""
        for name, module in self.modules.items():
            module.load_state_dict(state[name])


def _parameters(modules: Mapping[str, nn.Module]) -> list[Tensor]:
    return [p.detach() for module in modules.values() for p in module.parameters()]
