"""Batch normalisation, whose statistics are always the present batch's.

Networks keep no running statistics: training and generation normalise each batch by itself, so that
looking at a model changes nothing in it. What needs a function of one image alone, as
representation metrics do, asks for a copy with the statistics of a whole data set.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def batch_norm(channels: int, *, epsilon: float = 1e-5) -> nn.BatchNorm2d:
    """A layer for [B, C, H, W] that normalises by the batch at hand, in every mode."""
    return nn.BatchNorm2d(channels, eps=epsilon, track_running_stats=False)


def apply_to_parts(net: nn.Module, batch: Tensor, parts: int) -> Any:
    """What `net` makes of equal parts of a batch, one after the other, as for the whole batch.

    Each part is normalised by its own statistics, as if it had come alone.

    Args:
        net: its output is a tensor or a named tuple of them.
        batch: [parts * B, ...].
        parts: how many; with 1, or without batch normalisation, the batch goes through in one pass.
    """
    if parts == 1 or not has_batch_norm(net):
        return net(batch)
    outputs = [net(part) for part in batch.chunk(parts)]
    if isinstance(outputs[0], Tensor):
        return torch.cat(outputs)
    return type(outputs[0])(*(torch.cat(fields) for fields in zip(*outputs, strict=True)))


def has_batch_norm(net: nn.Module) -> bool:
    """Whether what `net` makes of one input depends on the others in its batch."""
    return any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


@torch.no_grad()
def with_fixed_statistics(net: Net, batches: Iterable[Tensor]) -> Net:
    """A copy of `net` that normalises by the mean statistics of `batches`, in evaluation mode.

    Args:
        net: a network with layers made by `batch_norm`; others are copied as they are.
        batches: of its inputs, e.g. one epoch of data.
    """
    fixed = copy.deepcopy(net)
    layers = [module for module in fixed.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        weight, n = layer.weight, layer.num_features
        layer.track_running_stats = True
        layer.momentum = None  # a cumulative mean over all batches
        layer.running_mean = weight.new_zeros(n)
        layer.running_var = weight.new_ones(n)
        layer.num_batches_tracked = torch.zeros((), dtype=torch.long, device=weight.device)
    if layers:
        fixed.train()
        for batch in batches:
            fixed(batch)
    return fixed.eval()


def without_fixed_statistics(net: Net) -> Net:
    """A copy of `net` that normalises each batch by itself, in every mode."""
    free = copy.deepcopy(net)
    for layer in free.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return free
