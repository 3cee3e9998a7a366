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
from introsearch.training.vae.sintrovae import SMALLEST_GAMMA_R, SIntroVAE
from introsearch.training.vae.vae import VAE

Step = Callable[[Any], object]
Draws = Callable[[Sequence[Tensor]], Tensor]


def reference_step(trainer: Trainer) -> Step | None:
    """The plain form of a trainer's present iteration; None if it has none."""
    if type(trainer) not in (VAE, SIntroVAE):
        return None
    assert isinstance(trainer, VAE)
    s: Any = trainer.settings
    if not isinstance(trainer, SIntroVAE) or trainer.iteration < s.warmup_iterations:
        return _vae_step
    return introspective_step


def _joint_log_prob(z: Tensor, mu: Tensor, logvar: Tensor, log_weights: Tensor) -> Tensor:
    """log w_k N(z|k) by broadcasting over components and dimensions: z [..., L] -> [..., K]."""
    square = (z[..., None, :] - mu).square() / logvar.exp()
    return -0.5 * (square + logvar + math.log(2 * math.pi)).sum(-1) + log_weights


def _sampled_kl(q: Sequence[Tensor], noise: Tensor | None, parts: Sequence[Tensor]) -> Tensor:
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
    return -_joint_log_prob(z, *parts).logsumexp(-1).mean(0) - entropy


def _entropy_of_use(z: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """H(C) / log M of the mean responsibilities of draws z [T, B, L] (eqs. 11, 104)."""
    c = _joint_log_prob(z, *parts).softmax(-1).mean((0, 1))
    return torch.special.entr(c).sum() / math.log(len(c))


def _vae_step(trainer: Any) -> None:
    """One iteration of a plain VAE, or of stage 1, with the trainer's own networks and streams."""
    s = trainer.settings
    x = trainer._next_batch()
    q = trainer.encoder(x)
    recon = trainer.decoder(_draw(q, _normal(trainer, *q[0].shape)))
    kl = _sampled_kl(q, _draws(trainer, len(x)), trainer.prior.components())
    loss = s.beta_rec * _rec(x, recon).mean() + s.beta_kl * kl.mean()
    for optimiser in trainer.optimisers.values():
        optimiser.zero_grad()
    loss.backward()
    for optimiser in trainer.optimisers.values():
        optimiser.step()


def introspective_step(trainer: Any) -> dict[str, Tensor]:
    """One iteration of stage 2 (eq. 98), with the trainer's own networks, prior and streams.

    Returns:
        The loss terms that the trainer records.
    """
    x = trainer._next_batch()
    noise_z = _normal(trainer, len(x), trainer.settings.latent_dim)
    from_prior = _prior_draws(trainer, len(x))
    q = trainer.encoder(x)
    z = _draw(q, noise_z)
    terms = _encoder_step(trainer, x, q, z, from_prior)
    terms |= _generator_step(trainer, x, [t.detach() for t in q], z.detach(), from_prior)
    return {name: value.detach() for name, value in terms.items()}


def _prior_draws(trainer: Any, n: int) -> Draws:
    """Points of chosen components with fixed noise, [n, L], as a function of the components."""
    chosen = torch.zeros(n, dtype=torch.long, device=trainer.device)
    if trainer.settings.prior != "gaussian":
        weights = trainer.prior.components().log_weights.exp()
        stream = trainer.streams["noise"]
        chosen = torch.multinomial(weights, n, replacement=True, generator=stream)
    noise = _normal(trainer, n, trainer.settings.latent_dim)
    return lambda parts: parts[0][chosen] + (0.5 * parts[1][chosen]).exp() * noise


def _encoder_step(
    trainer: Any, x: Tensor, q: Sequence[Tensor], z: Tensor, from_prior: Draws
) -> dict[str, Tensor]:
    s, scale, n = trainer.settings, 1 / trainer.dataset.dims, len(x)
    encoder, decoder = trainer.encoder, trainer.decoder
    noise_generated = _normal(trainer, 2 * n, s.latent_dim)
    noise_kl = _draws(trainer, 3 * n)
    parts = [p.detach() for p in trainer.prior.components()]
    generated = {"fake": decoder(from_prior(parts)).detach(), "recon": decoder(z)}
    kl = _sampled_kl(q, _rows(noise_kl, 0, n), parts).mean()
    terms = {"rec": _rec(x, decoder(z)).mean(), "kl": kl}
    loss = scale * (s.beta_rec * terms["rec"] + s.beta_kl * kl)
    for i, (name, x_g) in enumerate(generated.items()):
        q_g = encoder(x_g.detach())
        target = x_g.detach() if s.detach_target else x_g
        error = _rec(target, decoder(_draw(q_g, noise_generated[i * n : (i + 1) * n])))
        kl = _sampled_kl(q_g, _rows(noise_kl, i + 1, n), parts)
        exponent = -s.alpha * scale * (s.beta_rec * error + s.beta_neg * kl)
        terms[f"exp_elbo_{name}"] = exponent.exp().mean()
        loss = loss + 0.5 / s.alpha * terms[f"exp_elbo_{name}"]
    if s.r_entropy:
        z_c = _draw(q, _normal(trainer, s.num_draws, n, s.latent_dim))
        loss = loss - scale * s.r_entropy * _entropy_of_use(z_c, parts)
    _forget_gradients(encoder)
    loss.backward()
    trainer.optimisers["encoder"].step()
    return {**terms, "loss_encoder": loss}


def _generator_step(
    trainer: Any, x: Tensor, q: Sequence[Tensor], z: Tensor, from_prior: Draws
) -> dict[str, Tensor]:
    s, n = trainer.settings, len(x)
    encoder, decoder, prior = trainer.encoder, trainer.decoder, trainer.prior
    noise_kl = _draws(trainer, 2 * n)
    noise_real = _draws(trainer, n) if s.intro_prior else None
    # The trainer leaves out the term of gamma_r where it is tiny, and draws nothing for it.
    is_tiny = s.gamma * s.gamma_r < SMALLEST_GAMMA_R
    shape = 2 * n, s.latent_dim
    noise_again = torch.randn(shape, device=x.device) if is_tiny else _normal(trainer, *shape)
    _forget_gradients(decoder, prior)
    parts = prior.components()
    constant = [p.detach() for p in parts]
    generated = {"fake": decoder(from_prior(parts)), "recon": decoder(z)}
    loss, terms = s.beta_rec * _rec(x, generated["recon"]).mean(), {}
    for i, (name, x_g) in enumerate(generated.items()):
        q_g = encoder(x_g)
        kl = _sampled_kl(q_g, _rows(noise_kl, i, n), constant)
        terms[f"kl_{name}"] = kl.mean()
        z_g = _draw(q_g, noise_again[i * n : (i + 1) * n]).detach()
        error = _rec(x_g.detach(), decoder(z_g))
        loss = loss + s.gamma * 0.5 * (s.beta_kl * kl + s.gamma_r * s.beta_rec * error).mean()
    if s.intro_prior:
        loss = loss + s.beta_kl * _sampled_kl(q, noise_real, parts).mean()
    loss = loss / trainer.dataset.dims
    loss.backward()
    trainer.optimisers["generator"].step()
    return {**terms, "loss_generator": loss}


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
