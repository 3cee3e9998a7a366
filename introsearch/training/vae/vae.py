"""The VAE trainer: the plain baseline, and stage 1 of the introspective one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from introsearch.data.images import ImageData
from introsearch.extensions import resolve
from introsearch.losses.kl import kl_monte_carlo, kl_standard_normal, reparameterise
from introsearch.losses.vae import squared_error, vae_loss
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.nets.number_format import tf32_products
from introsearch.priors.base import Prior, PriorContext
from introsearch.settings.base import TrainerSettings
from introsearch.settings.vae import VAESettings
from introsearch.training.base import Trainer
from introsearch.training.figure_data import Figure
from introsearch.training.spans import span
from introsearch.training.stepwise import take_steps
from introsearch.training.streams import make_stream, stream_seed
from introsearch.training.training_pass import training_pass
from introsearch.training.vae.dataset import open_dataset
from introsearch.training.vae.epochs import EpochBatches
from introsearch.training.vae.judge import Judge
from introsearch.training.vae.networks import make_networks


class VAE(Trainer):
    """Trains encoder, decoder and prior together on beta_rec * rec + beta_kl * kl.

    Args:
        settings: what to train.
        seed: everything random follows from it.
        device: where to train.
    """

    Settings: ClassVar[type[TrainerSettings]] = VAESettings

    def __init__(
        self, settings: VAESettings, *, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.device = torch.device(device)
        self.iteration = 0
        self.dataset = open_dataset(settings, device=self.device)
        if isinstance(self.dataset, ImageData):
            self._batches = EpochBatches(self.dataset, batch_size=settings.batch_size)
        self._judge = Judge(settings, self.dataset, seed=seed, device=self.device)
        self.streams = {p: make_stream(seed, p, device=self.device) for p in ("data", "noise")}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "init"))
            self._build_networks()
        self.prior = self._initial_prior(settings.prior)
        self._make_optimisers()

    def _build_networks(self) -> None:
        encoder, decoder = make_networks(self.dataset, self.settings)
        self.encoder, self.decoder = encoder.to(self.device), decoder.to(self.device)
        self.encode = training_pass(self.encoder, self.settings, device=self.device)
        self.decode = training_pass(self.decoder, self.settings, device=self.device)

    def _initial_prior(self, kind: str) -> Prior:
        s = self.settings
        stream = make_stream(self.seed, "prior", device=self.device)
        components = s.components or 1
        return resolve("prior", kind).create(
            PriorContext(
                latent_dim=s.latent_dim,
                components=components,
                learnable_contributions=s.learnable_contributions,
                data=self.dataset.sample(components, stream),
                encode=self.encoder,
                generator=stream,
                data_range=(0.0, 1.0) if self.dataset.kind == "images" else None,
                moves_bounds=s.pseudo_input_clamp == "clamp",
            )
        )

    def _make_optimisers(self) -> None:
        """Adam for the encoder, and one for decoder and prior: they always step together."""
        generator_side = [*self.decoder.parameters(), *self.prior.parameters()]
        self.optimisers = {
            "encoder": self._adam(list(self.encoder.parameters())),
            "generator": self._adam(generator_side),
        }

    def _adam(self, parameters: list[nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=self._learning_rate(), fused=True)

    def _learning_rate(self) -> float:
        passed = sum(self.iteration >= m for m in self.settings.lr_milestones)
        return self.settings.learning_rate * self.settings.lr_decay**passed

    # -- training -------------------------------------------------------------------------------

    def advance(self, iterations: int) -> dict[str, float]:
        self._judge.forget()
        with tf32_products(allowed=self.settings.precision == "tf32"):
            return take_steps(self, iterations, before=self._before_step, step=self._step)

    def _before_step(self) -> None:
        if self.iteration in self.settings.lr_milestones:
            for optimiser in self.optimisers.values():
                for group in optimiser.param_groups:
                    group["lr"] = self._learning_rate()

    def _step(self) -> dict[str, Tensor]:
        return self._vae_step()

    def _vae_step(self) -> dict[str, Tensor]:
        x = self._next_batch()
        with span("all players"):
            q = self.encode(x)
            rec = squared_error(x, self.decode(self._draw(q)))
            loss = vae_loss(
                rec, self._kl(q), beta_rec=self.settings.beta_rec, beta_kl=self.settings.beta_kl
            )
            for optimiser in self.optimisers.values():
                optimiser.zero_grad()
            loss.total.backward()
        with span("optimiser"):
            for optimiser in self.optimisers.values():
                optimiser.step()
        return {"loss": loss.total.detach(), "rec": loss.rec.detach(), "kl": loss.kl.detach()}

    def _next_batch(self) -> Tensor:
        with span("data"):
            if self.dataset.kind == "images":
                return self._batches.at(self.iteration, seed=self.seed)
            return self.dataset.sample(self.settings.batch_size, self.streams["data"])

    def _noise(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.streams["noise"], device=self.device)

    def _draw(self, q: Posterior) -> Tensor:
        """One reparameterised posterior sample per point, [B, L]."""
        return reparameterise(q.mu, q.logvar, self._noise(*q.mu.shape))

    def _kl(self, q: Posterior, *, frozen_prior: bool = False) -> Tensor:
        """KL[q || p], [B], by the estimator of the settings."""
        if self.settings.kl_estimator == "closed_form":
            return kl_standard_normal(*q)
        return kl_monte_carlo(
            *q,
            log_prob=lambda z: self.prior.log_prob(z, frozen=frozen_prior),
            noise=self._noise(self.settings.num_draws, *q.mu.shape),
        )

    # -- looking, without touching --------------------------------------------------------------

    @property
    def extractor(self) -> str:
        return self._judge.extractor(self._view())

    def evaluate(self, names: Sequence[str], *, averaged: bool = False) -> dict[str, float]:
        """Metrics by name. Training is not affected: evaluation has its own random stream.

        Args:
            names: of metrics.
            averaged: judge the exponential moving average of the weights, where there is one.

        Raises:
            ConfigError: as for `metric_values`.
        """
        view = self._averaged_view() if averaged else self._view()
        return self._judge.evaluate(names, view, keep=not averaged)

    def details(self) -> dict[str, float]:
        """How much each latent dimension is used."""
        return self._judge.details(self._view())

    def figures(self) -> dict[str, Figure]:
        """The model as it is now."""
        return self._judge.figures(self._view())

    def _view(self) -> ModelView:
        return self._judge.view(self.encoder, self.decoder, self.prior)

    def _averaged_view(self) -> ModelView:
        """The model with averaged weights; a plain VAE needs no averaging."""
        return self._view()

    # -- checkpoints ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "iteration": self.iteration,
            "encoder": self.encoder.state_dict(),
            "decoder": self.decoder.state_dict(),
            "prior": self.prior.state_dict(),
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "streams": {name: s.get_state() for name, s in self.streams.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`: on the CPU bit for bit as if never interrupted."""
        self.iteration = state["iteration"]
        self._judge.forget()
        self._restore_prior()
        self.encoder.load_state_dict(state["encoder"])
        self.decoder.load_state_dict(state["decoder"])
        self.prior.load_state_dict(state["prior"])
        self._make_optimisers()
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, stream in self.streams.items():
            stream.set_state(state["streams"][name])

    def _restore_prior(self) -> None:
        """Make `self.prior` the kind of prior that is in use at `self.iteration`."""
