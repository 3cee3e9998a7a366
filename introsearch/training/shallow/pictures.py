"""What a shallow VAE makes of images: reconstructions, completions and samples."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from introsearch.nets.image_rows import ImageLayout
from introsearch.nets.shallow import ShallowVAE
from introsearch.training.figure_data import Array

IMAGES = 16
_COMPLETIONS = 3


def pictures(
    nets: ShallowVAE,
    rows: Tensor,
    layout: ImageLayout,
    *,
    prior_stds: tuple[float, ...],
    generator: Generator,
) -> dict[str, Array]:
    """Rows of images [N, H, W, C] by what they show.

    Args:
        nets: a trained model.
        rows: [N, D] of [y, x], test images.
        layout: where the pixels are.
        prior_stds: of p(z), or of p(z1|z2) and p(z2).
        generator: on the rows' device.
    """
    condition = rows[:, nets.dims :]
    mu, _ = nets.posterior(rows)
    shown = {"test image": rows}
    has_quadrant = 0 < condition.shape[1] == layout.places.numel() - nets.dims
    if has_quadrant:
        shown["given"] = torch.cat([torch.full_like(rows[:, : nets.dims], 0.5), condition], dim=1)
    shown["reconstruction"] = _whole(nets, mu, condition)
    word = "completion" if has_quadrant else "of its label" if condition.numel() else "sample"
    for i in range(_COMPLETIONS):
        z = _from_prior(nets, len(rows), prior_stds=prior_stds, generator=generator)
        shown[f"{word} {i + 1}"] = _whole(nets, z, condition)
    return {what: _images(layout, of) for what, of in shown.items()}


def _whole(nets: ShallowVAE, z: Tensor, condition: Tensor) -> Tensor:
    """Rows of decoded y and the given x."""
    return torch.cat([nets.decoders[0](torch.cat([z, condition], dim=1)), condition], dim=1)


def _from_prior(
    nets: ShallowVAE, n: int, *, prior_stds: tuple[float, ...], generator: Generator
) -> Tensor:
    """Draws of z, or of z1 by way of z2, [n, L]."""
    mean: Tensor | float = 0.0
    for level in reversed(range(len(prior_stds))):
        shape = (n, len(nets.logvars[level]))
        noise = torch.randn(shape, dtype=torch.double, generator=generator, device=generator.device)
        z = mean + prior_stds[level] * noise
        if level:
            mean = nets.decoders[level](z)
    return z


def _images(layout: ImageLayout, rows: Tensor) -> Array:
    images = layout.images(rows).nan_to_num(0.0).clamp(0, 1)
    array: Array = images.permute(0, 2, 3, 1).float().cpu().numpy()
    return array
