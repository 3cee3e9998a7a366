"""The log-density of a diagonal Gaussian mixture at many points, fast and in little memory.

log w_k N(z|k) is linear in the features (1, z, z^2), so all K components of a block of rows are
one matrix product, and no tensor of points x components x dimensions is ever made. On a CPU, blocks
are small enough to stay in a core's cache.

Products are of float32 numbers, whatever a GPU may round elsewhere. Even so they cost accuracy
where components are very narrow: with means of about 2 in 2 dimensions, up to 0.01 nats at a
log-variance of -8 and 0.5 at -12; where all of 128 dimensions are as narrow, 0.7 and 50. Gradients
stay within 1e-4 of their length, but for points where they nearly vanish.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from introsearch.nets.blocks import block_rows
from introsearch.nets.number_format import tf32_products

LOG_2PI = math.log(2 * math.pi)


def mixture_coefficients(mu: Tensor, logvar: Tensor, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Rewrite a mixture for `mixture_log_prob`.

    Args:
        mu: [K, L] means.
        logvar: [K, L] log-variances.
        log_weights: [K], normalised.

    Returns:
        A constant shift [L] (the mean of the means), to be subtracted from points before they
        are squared, which keeps the products accurate; and coefficients [1 + 2L, K] with
        log w_k N(z|k) = [1, z - shift, (z - shift)^2] @ coefficients.
    """
    shift = mu.detach().mean(dim=0)
    centred, precision = mu - shift, (-logvar).exp()
    constant = log_weights - 0.5 * (centred.square() * precision + logvar + LOG_2PI).sum(dim=1)
    return shift, torch.cat([constant[None], (centred * precision).T, -0.5 * precision.T])


def mixture_log_prob(z: Tensor, coefficients: Tensor) -> Tensor:
    """log sum_k w_k N(z|k) in nats.

    Differentiable once, in both arguments, and usable under `torch.func.vmap` and `grad`; second
    derivatives are refused.

    Args:
        z: [N, L] points, the mixture's shift already subtracted.
        coefficients: [1 + 2L, K] from `mixture_coefficients`.

    Returns:
        [N] log-densities.
    """
    if torch.is_grad_enabled():
        log_prob: Tensor = _MixtureLogProb.apply(z, coefficients)[0]
        return log_prob
    blocks = z.split(_block_rows(z, coefficients))
    with tf32_products(allowed=False):
        return torch.cat([_block_log_prob(block, coefficients)[0] for block in blocks])


class _MixtureLogProb(torch.autograd.Function):
    """Forms d log p / dz (eq. 103) in the forward pass, while responsibilities are in cache."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        log_probs, slopes = [], []
        with tf32_products(allowed=False):
            for block in z.split(_block_rows(z, coefficients)):
                log_prob, weights, total = _block_log_prob(block, coefficients)
                slopes.append(_slope(block, weights, coefficients) / total)
                log_probs.append(log_prob)
        return torch.cat(log_probs), torch.cat(slopes)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]
    ) -> None:
        z, coefficients = inputs
        log_prob, slope = output
        ctx.mark_non_differentiable(slope)
        ctx.save_for_backward(z, coefficients, log_prob, slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None]:
        z, coefficients, log_prob, slope = ctx.saved_tensors
        need_z, need_coefficients = ctx.needs_input_grad
        with torch.no_grad():
            grad_z = grad[:, None] * slope if need_z else None
            grad_coefficients = None
            if need_coefficients:
                grad_coefficients = _grad_of_coefficients(z, coefficients, log_prob, grad)
        sources = grad, z, coefficients
        first, second = (
            None if g is None else _FirstDerivative.apply(g, *sources)
            for g in (grad_z, grad_coefficients)
        )
        return first, second


class _FirstDerivative(torch.autograd.Function):
    """A derivative of a density as it is, which refuses to be differentiated with respect to what
    it depends on: as a constant, it would make second derivatives zero, without a word."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, *sources: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Nothing is needed to refuse."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError("the log-density of a mixture has first derivatives only")


def _grad_of_coefficients(
    z: Tensor, coefficients: Tensor, log_prob: Tensor, grad: Tensor
) -> Tensor:
    rows = _block_rows(z, coefficients)
    result = torch.zeros_like(coefficients)
    blocks = zip(z.split(rows), grad.split(rows), log_prob.split(rows), strict=True)
    with tf32_products(allowed=False):
        for block, g, lp in blocks:
            features = _features(block)
            weighted = _exp((features @ coefficients).sub_(lp[:, None])).mul_(g[:, None])
            result = result + features.T @ weighted
    return result


def _block_rows(z: Tensor, coefficients: Tensor) -> int:
    return block_rows(coefficients.shape[1], z.device)


def _features(z: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(z[:, :1]), z, z.square()], dim=1)


def _block_log_prob(z: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log-densities [N]; and weights [N, K], total [N, 1] whose ratio is responsibilities."""
    logits = _features(z) @ coefficients
    largest = logits.amax(dim=1, keepdim=True)
    weights = _exp(logits.sub_(largest))
    total = weights.sum(dim=1, keepdim=True)
    return (largest + total.log()).squeeze(1), weights, total


def _exp(x: Tensor) -> Tensor:
    """exp in place, for x <= 0: shares below e^-50 round away in any sum with the largest, but as
    denormal numbers they would slow exp and matrix products on a CPU by two orders of magnitude."""
    return x.clamp_min_(-50).exp_()


def _slope(z: Tensor, weights: Tensor, coefficients: Tensor) -> Tensor:
    """Weighted sums of the components' own slopes, [N, L]."""
    linear, quadratic = (weights @ coefficients[1:].T).chunk(2, dim=1)
    return linear + 2 * z * quadratic
