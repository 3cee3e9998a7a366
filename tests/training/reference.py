"""A plain, unoptimised Soft-IntroVAE step, written from equation 98 with one pass per term.

It draws noise in the trainer's order, so that both can be compared number by number.
"""

import math

import torch


def mixture_log_prob(z, mu, logvar, log_weights):
    """By broadcasting over components and dimensions."""
    square = (z[..., None, :] - mu).square() / logvar.exp()
    per_component = -0.5 * (square + logvar + math.log(2 * math.pi)).sum(-1)
    return (per_component + log_weights).logsumexp(-1)


def sampled_kl(q, noise, parts):
    """Mean over draws of log q - log p, with the sampled log q replaced by its expectation."""
    mu, logvar = q
    z = mu + (0.5 * logvar).exp() * noise
    entropy = 0.5 * (logvar + math.log(2 * math.pi) + 1).sum(-1)
    return -mixture_log_prob(z, *parts).mean(0) - entropy


def introspective_step(trainer):
    """One iteration of `trainer` (stage 2), with its own networks, prior, optimisers, streams."""
    s, scale = trainer.settings, 1 / trainer.dataset.dims
    stream = trainer.streams["noise"]
    encoder, decoder, prior = trainer.encoder, trainer.decoder, trainer.prior

    def normal(*shape):
        return torch.randn(*shape, generator=stream)

    def draw(q, noise):
        return q[0] + (0.5 * q[1]).exp() * noise

    def rec(a, b):
        return (a - b).square().flatten(1).sum(1)

    x = trainer._next_batch()
    n, latent = len(x), s.latent_dim
    noise_z = normal(n, latent)
    parts = prior.components()
    chosen = torch.multinomial(parts.log_weights.exp(), n, replacement=True, generator=stream)
    noise_s = normal(n, latent)
    noise_generated = normal(2 * n, latent)
    noise_kl = normal(s.num_draws, 3 * n, latent)
    constant = [p.detach() for p in parts]

    # Encoder.
    q = encoder(x)
    z = draw(q, noise_z)
    fake = decoder(parts.mu[chosen] + (0.5 * parts.logvar[chosen]).exp() * noise_s).detach()
    recon = decoder(z).detach()
    loss = scale * (
        s.beta_rec * rec(x, decoder(z)).mean()
        + s.beta_kl * sampled_kl(q, noise_kl[:, :n], constant).mean()
    )
    for i, generated in enumerate((fake, recon)):
        rows = slice(i * n, (i + 1) * n)
        q_g = encoder(generated)
        error = rec(generated, decoder(draw(q_g, noise_generated[rows])))
        kl = sampled_kl(q_g, noise_kl[:, n:][:, rows], constant)
        loss = loss + 0.5 / s.alpha * (
            (-s.alpha * scale * (s.beta_rec * error + s.beta_neg * kl)).exp().mean()
        )
    trainer.optimisers["encoder"].zero_grad()
    for p in encoder.parameters():
        p.grad = None
    loss.backward()
    trainer.optimisers["encoder"].step()

    # Decoder and prior.
    for p in [*decoder.parameters(), *prior.parameters()]:
        p.grad = None
    noise_kl = normal(s.num_draws, 2 * n, latent)
    parts = prior.components()
    constant = [p.detach() for p in parts]
    fake = decoder(parts.mu[chosen] + (0.5 * parts.logvar[chosen]).exp() * noise_s)
    recon = decoder(z.detach())
    loss = s.beta_rec * rec(x, recon).mean()
    for i, generated in enumerate((fake, recon)):
        kl = sampled_kl(encoder(generated), noise_kl[:, i * n : (i + 1) * n], constant)
        loss = loss + s.gamma * s.beta_kl * 0.5 * kl.mean()
    if s.intro_prior:
        q_constant = [t.detach() for t in q]
        kl = sampled_kl(q_constant, normal(s.num_draws, n, latent), parts)
        loss = loss + s.beta_kl * kl.mean()
    (scale * loss).backward()
    trainer.optimisers["generator"].step()
