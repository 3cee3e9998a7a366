"""Plain, unoptimised training iterations, written from the equations with one pass per term.

They draw noise in the trainers' order, so that both can be compared number by number, and they are
what `introsearch bench` compares speeds with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from introsearch.training.base import Trainer
from introsearch.training.sintrovae import SMALLEST_GAMMA_R, SIntroVAE
from introsearch.training.vae import VAE

Step = Callable[[Any], None]


def reference_step(trainer: Trainer) -> Step | None:
    """The plain form of a trainer's present iteration; None if it has none."""
    if type(trainer) not in (VAE, SIntroVAE):
        return None
    assert isinstance(trainer, VAE)
    s: Any = trainer.settings
    if not isinstance(trainer, SIntroVAE) or trainer.iteration < s.warmup_iterations:
        return vae_step
    extra = s.r_entropy > 0 or s.gamma * s.gamma_r >= SMALLEST_GAMMA_R
    return None if extra else introspective_step


def mixture_log_prob(z: Tensor, mu: Tensor, logvar: Tensor, log_weights: Tensor) -> Tensor:
    """By broadcasting over components and dimensions: z [..., L] -> [...]."""
    square = (z[..., None, :] - mu).square() / logvar.exp()
    per_component = -0.5 * (square + logvar + math.log(2 * math.pi)).sum(-1)
    return (per_component + log_weights).logsumexp(-1)


def sampled_kl(q: Sequence[Tensor], noise: Tensor | None, parts: Sequence[Tensor]) -> Tensor:
    """Mean over draws of log q - log p, with the sampled log q replaced by its expectation.

    Args:
        q: mean and log-variance, [B, L] each.
        noise: [T, B, L] draws; None takes the closed form for a standard normal prior.
        parts: means, log-variances and log-weights of the prior.

    Returns:
        [B] nats.
    """
    mu, logvar = q
    if noise is None:
        return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)
    z = mu + (0.5 * logvar).exp() * noise
    entropy = 0.5 * (logvar + math.log(2 * math.pi) + 1).sum(-1)
    return -mixture_log_prob(z, *parts).mean(0) - entropy


def vae_step(trainer: Any) -> None:
    """One iteration of a plain VAE, or of stage 1, with the trainer's own networks and streams."""
    s = trainer.settings
    x = trainer._next_batch()
    q = trainer.encoder(x)
    recon = trainer.decoder(_draw(q, _normal(trainer, *q[0].shape)))
    kl = sampled_kl(q, _draws(trainer, len(x)), trainer.prior.components())
    loss = s.beta_rec * _rec(x, recon).mean() + s.beta_kl * kl.mean()
    for optimiser in trainer.optimisers.values():
        optimiser.zero_grad()
    loss.backward()
    for optimiser in trainer.optimisers.values():
        optimiser.step()


def introspective_step(trainer: Any) -> None:
    """One iteration of stage 2 (eq. 98), with the trainer's own networks, prior and streams."""
    s, scale = trainer.settings, 1 / trainer.dataset.dims
    stream = trainer.streams["noise"]
    encoder, decoder, prior = trainer.encoder, trainer.decoder, trainer.prior
    x = trainer._next_batch()
    n, latent = len(x), s.latent_dim
    noise_z = _normal(trainer, n, latent)
    parts = prior.components()
    gaussian = s.prior == "gaussian"
    chosen = torch.zeros(n, dtype=torch.long, device=x.device)
    if not gaussian:
        weights = parts.log_weights.exp()
        chosen = torch.multinomial(weights, n, replacement=True, generator=stream)
    noise_s = _normal(trainer, n, latent)
    noise_generated = _normal(trainer, 2 * n, latent)
    noise_kl = _draws(trainer, 3 * n)
    constant = [p.detach() for p in parts]

    # Encoder.
    q = encoder(x)
    z = _draw(q, noise_z)
    fake = decoder(parts.mu[chosen] + (0.5 * parts.logvar[chosen]).exp() * noise_s).detach()
    recon = decoder(z).detach()
    kl = sampled_kl(q, _rows(noise_kl, 0, n), constant)
    loss = scale * (s.beta_rec * _rec(x, decoder(z)).mean() + s.beta_kl * kl.mean())
    for i, generated in enumerate((fake, recon)):
        q_g = encoder(generated)
        error = _rec(generated, decoder(_draw(q_g, noise_generated[i * n : (i + 1) * n])))
        kl = sampled_kl(q_g, _rows(noise_kl, i + 1, n), constant)
        exponent = -s.alpha * scale * (s.beta_rec * error + s.beta_neg * kl)
        loss = loss + 0.5 / s.alpha * exponent.exp().mean()
    _forget_gradients(encoder)
    loss.backward()
    trainer.optimisers["encoder"].step()

    # Decoder and prior.
    _forget_gradients(decoder, prior)
    noise_kl = _draws(trainer, 2 * n)
    parts = prior.components()
    constant = [p.detach() for p in parts]
    fake = decoder(parts.mu[chosen] + (0.5 * parts.logvar[chosen]).exp() * noise_s)
    recon = decoder(z.detach())
    loss = s.beta_rec * _rec(x, recon).mean()
    for i, generated in enumerate((fake, recon)):
        q_g = encoder(generated)
        kl = sampled_kl(q_g, _rows(noise_kl, i, n), constant)
        # Noise from outside the trainer's streams, which leave out this term where it is tiny.
        z_g = _draw(q_g, torch.randn_like(q_g[0])).detach()
        error = _rec(generated.detach(), decoder(z_g))
        loss = loss + s.gamma * 0.5 * (s.beta_kl * kl + s.gamma_r * s.beta_rec * error).mean()
    if s.intro_prior:
        kl = sampled_kl([t.detach() for t in q], _draws(trainer, n), parts)
        loss = loss + s.beta_kl * kl.mean()
    (scale * loss).backward()
    trainer.optimisers["generator"].step()


def _normal(trainer: Any, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=trainer.streams["noise"], device=trainer.device)


def _draws(trainer: Any, n: int) -> Tensor | None:
    s = trainer.settings
    if s.kl_estimator == "closed_form":
        return None
    return _normal(trainer, s.num_draws, n, s.latent_dim)


def _rows(noise: Tensor | None, i: int, n: int) -> Tensor | None:
    return None if noise is None else noise[:, i * n : (i + 1) * n]


def _draw(q: Sequence[Tensor], noise: Tensor) -> Tensor:
    return q[0] + (0.5 * q[1]).exp() * noise


def _rec(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).sum(1)


def _forget_gradients(*modules: torch.nn.Module) -> None:
    for module in modules:
        for p in module.parameters():
            p.grad = None
