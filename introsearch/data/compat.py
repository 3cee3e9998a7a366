"""Makes torchvision importable beside a CPU build of torch."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

# Operators that torchvision registers fake kernels for while it is imported. Its wheel on PyPI is
# built for CUDA builds of torch; beside a CPU build its library of operators does not load
# (pytorch/vision#9085). Names and arguments are those of torchvision 0.28.
OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_libraries: list[torch.library.Library] = []  # a definition lives as long as its library object


def import_torchvision() -> ModuleType:
    """Import torchvision, declaring the operators that its library failed to define, if any.

    A torchvision that matches its torch keeps its own operators. Call this before anything else
    imports torchvision or torch_fidelity.

    Raises:
        ImportError: torchvision is not installed, or fails for another reason.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise ImportError(f"torchvision cannot be imported: {error}") from error
    for name, schema in OPERATORS.items():
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            _libraries.append(library)
    return importlib.import_module("torchvision")
