"""The Soft-IntroVAE trainer: encoder, decoder and prior as three players."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from introsearch.losses.kl import reparameterise
from introsearch.losses.sintrovae import (
    Terms,
    encoder_loss,
    generator_loss,
)
from introsearch.losses.vae import squared_error
from introsearch.metrics.view import ModelView
from introsearch.nets.batch_norm import apply_to_parts
from introsearch.nets.mlp import Posterior
from introsearch.priors.base import MixturePrior, Prior
from introsearch.priors.mixture import MixtureOfGaussians
from introsearch.priors.vamp import VampPrior
from introsearch.settings.base import TrainerSettings
from introsearch.settings.sintrovae import SIntroVAESettings
from introsearch.training.spans import span
from introsearch.training.stepwise import descend
from introsearch.training.training_pass import as_constant
from introsearch.training.vae.vae import VAE
from introsearch.training.weight_average import WeightAverage

# Below this weight, the gamma_r term (two decoder passes on generated data) moves float32 weights
# by one unit in the last place, and that seldom.
SMALLEST_GAMMA_R = 1e-7


class SIntroVAE(VAE):
    """Stage 1 trains a VAE; stage 2 plays encoder against decoder and, with IP, the prior (eq. 98).

    A `mog` prior is a VampPrior in stage 1 until the hand-over.
    """

    Settings: ClassVar[type[TrainerSettings]] = SIntroVAESettings
    settings: SIntroVAESettings
    average: WeightAverage  # from the start of stage 2

    def _initial_prior(self, kind: str) -> Prior:
        return super()._initial_prior("vamp" if kind == "mog" else kind)

    @property
    def _handover(self) -> int:
        return self.settings.warmup_iterations - self.settings.handover_iterations

    def _before_step(self) -> None:
        super()._before_step()
        if self.iteration == self._handover and isinstance(self.prior, VampPrior):
            self._freeze_vamp_into_mixture()
        if self.iteration == self.settings.warmup_iterations:
            self._start_stage_2()

    def _freeze_vamp_into_mixture(self) -> None:
        """The VampPrior's present components and weights, exactly, as a free mixture."""
        s = self.settings
        with torch.no_grad():
            parts = self.prior.components()
        self.prior = MixtureOfGaussians(
            parts,
            learnable_contributions=s.learnable_contributions,
            clip_sharpness=s.clip_sharpness,
        )
        self._make_optimisers()

    def _start_stage_2(self) -> None:
        if not self.settings.intro_prior:
            self.prior.requires_grad_(False)
        elif isinstance(self.prior, MixtureOfGaussians):
            self.prior.start_clipping()
        self.average = WeightAverage(self._players(), decay=self.settings.average_decay)

    def _restore_prior(self) -> None:
        if isinstance(self.prior, VampPrior) and self.iteration > self._handover:
            self._freeze_vamp_into_mixture()
        if self.iteration > self.settings.warmup_iterations:
            self._start_stage_2()

    def _step(self) -> dict[str, Tensor]:
        if self.iteration < self.settings.warmup_iterations:
            return self._vae_step()
        terms = self._introspective_step()
        with span("averages"):
            self.average.update(self._players())
        return terms

    def _players(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "decoder": self.decoder, "prior": self.prior}

    def _averaged_view(self) -> ModelView:
        if self.iteration <= self.settings.warmup_iterations:
            return self._view()
        modules = self.average.modules
        prior = modules["prior"]
        assert isinstance(prior, Prior)
        return self._judge.view(modules["encoder"], modules["decoder"], prior)

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if self.iteration > self.settings.warmup_iterations:
            state["average"] = self.average.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.iteration > self.settings.warmup_iterations:
            self.average.load_state_dict(state["average"])

    def _introspective_step(self) -> dict[str, Tensor]:
        """One step of the encoder, then one of decoder and prior.

        Fakes and reconstructions are decoded once and serve both, since the decoder does not
        change in between. Each backward pass is confined to its own player's parameters.
        """
        x = self._next_batch()
        with span("shared passes"):
            q = self.encode(x)
            recon = self.decode(self._draw(q))
            fake = self.decode(self.prior.sample(len(x), self.streams["noise"]))
            rec = squared_error(x, recon)
        with span("encoder step"):
            terms = _detached(self._encoder_step(q, rec, fake, recon))
        with span("decoder+prior step"):
            terms |= _detached(self._generator_step(q, rec, fake, recon))
        return terms

    def _encoder_step(
        self, q: Posterior, rec: Tensor, fake: Tensor, recon: Tensor
    ) -> dict[str, Tensor]:
        s = self.settings
        generated = torch.cat([fake, recon]).detach()
        target = generated if s.detach_target else torch.cat([fake.detach(), recon])
        q_generated = self._encode_both(generated)
        with as_constant(self.decoder):
            errors = self._reconstruction_error(target, q_generated)
        rec_fake, rec_recon = errors.chunk(2)
        everything = Posterior(*(torch.cat(pair) for pair in zip(q, q_generated, strict=True)))
        kl, kl_fake, kl_recon = self._kl(everything, frozen_prior=True).chunk(3)
        loss = encoder_loss(
            Terms(rec, kl),
            Terms(rec_fake, kl_fake),
            Terms(rec_recon, kl_recon),
            beta_rec=s.beta_rec,
            beta_kl=s.beta_kl,
            beta_neg=s.beta_neg,
            alpha=s.alpha,
            scale=self._scale,
            contributions=self._contributions(q) if s.r_entropy else None,
            r_entropy=s.r_entropy,
        )
        # retain_graph: the decoder's part of it is used once more, by the generator step.
        descend(self.optimisers["encoder"], loss.total, retain_graph=True)
        return {
            "loss_encoder": loss.total,
            "rec": loss.rec,
            "kl": loss.kl,
            "exp_elbo_fake": loss.exp_elbo_fake,
            "exp_elbo_recon": loss.exp_elbo_recon,
        }

    def _generator_step(
        self, q: Posterior, rec: Tensor, fake: Tensor, recon: Tensor
    ) -> dict[str, Tensor]:
        s = self.settings
        generated = torch.cat([fake, recon])
        with as_constant(self.encoder):
            q_generated = self._encode_both(generated)
        kl_fake, kl_recon = self._kl(q_generated, frozen_prior=True).chunk(2)
        loss = generator_loss(
            rec,
            kl_fake,
            kl_recon,
            beta_rec=s.beta_rec,
            beta_kl=s.beta_kl,
            gamma=s.gamma,
            scale=self._scale,
            kl_real=self._kl(Posterior(q.mu.detach(), q.logvar.detach()))
            if s.intro_prior
            else None,
            rec_generated=self._rec_generated(generated.detach()),
            gamma_r=s.gamma_r,
        )
        descend(self.optimisers["generator"], loss.total)
        return {
            "loss_generator": loss.total,
            "kl_fake": loss.kl_fake,
            "kl_recon": loss.kl_recon,
        }

    @property
    def _scale(self) -> float:
        return 1 / self.dataset.dims

    def _encode_both(self, generated: Tensor) -> Posterior:
        """Posteriors of fakes and reconstructions, [2B, ...], which are batches of their own."""
        q: Posterior = apply_to_parts(self.encode, generated, 2)
        return q

    def _reconstruction_error(self, target: Tensor, q: Posterior) -> Tensor:
        return squared_error(target, apply_to_parts(self.decode, self._draw(q), 2))

    def _rec_generated(self, generated: Tensor) -> Tensor | None:
        s = self.settings
        if s.gamma * s.gamma_r < SMALLEST_GAMMA_R:
            return None
        with torch.no_grad():
            q = self._encode_both(generated)
        return self._reconstruction_error(generated, q)

    def _contributions(self, q: Posterior) -> Tensor:
        """Mean responsibilities of the batch over T draws, [K] (eq. 11)."""
        assert isinstance(self.prior, MixturePrior)  # the settings see to it
        noise = self._noise(self.settings.num_draws, *q.mu.shape)
        return self.prior.responsibilities(reparameterise(*q, noise)).mean(dim=(0, 1))


def _detached(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same numbers, which no longer hold on to the feature maps that they came from."""
    return {name: value.detach() for name, value in terms.items()}
