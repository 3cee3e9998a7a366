"""What all trainers share that fit a prior to the aggregate posterior of a frozen VAE."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from introsearch.data.images import ImageData
from introsearch.losses.kl import reparameterise
from introsearch.metrics.content_cache import cached
from introsearch.metrics.image_batches import encode_in_batches
from introsearch.nets.mlp import Posterior
from introsearch.nets.number_format import tf32_products
from introsearch.priors.base import Prior
from introsearch.settings.base import TrainerSettings, settings_to_dict
from introsearch.settings.latent import LatentPriorSettings
from introsearch.training.latent.stage_1 import open_stage_1
from introsearch.training.spans import span
from introsearch.training.streams import stream_seed
from introsearch.training.vae.vae import VAE
from introsearch.training.weight_average import WeightAverage

LATENT_POINT_LOGVAR = -20.0


class LatentPriorTrainer(VAE):
    """Trains, recalls or is given a VAE at the start, then fits a prior to its posterior samples.

    A method defines `_make_players` (what is trained), `_make_prior` (what samples, made of them)
    and `_step`. Encoder, decoder and the VAE's own prior `base` stay as stage 1 left them.

    Attributes:
        players: what stage 2 trains.
        average: moving average of the players that sample, if the method has one.
        prior: the prior as fitted so far.
        base: p_0, the prior that the VAE was trained with.
    """

    Settings: ClassVar[type[TrainerSettings]] = LatentPriorSettings
    settings: LatentPriorSettings
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    average: WeightAverage | None = None

    def _make_players(self) -> dict[str, nn.Module]:
        raise NotImplementedError

    def _make_prior(self) -> Prior:
        raise NotImplementedError

    def _build_networks(self) -> None:
        if self.settings.stage1_trial is not None:
            vae = open_stage_1(self.settings, seed=self.seed, device=self.device)
            self.encoder, self.decoder, self.base = vae.encoder, vae.decoder, vae.prior
        elif self.settings.stage_1 is None:
            self.encoder, self.decoder = PointEncoder(), nn.Identity()
        else:
            super()._build_networks()

    def _initial_prior(self, kind: str) -> Prior:
        if self.settings.stage1_trial is None:
            self.base = super()._initial_prior(kind)
        self._has_stage_1 = False
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, "players"))
            self.players = self._make_players()
        for player in self.players.values():
            player.to(self.device)
        return self._make_prior()

    def _make_optimisers(self) -> None:
        self.optimisers = {
            name: torch.optim.Adam(
                player.parameters(), lr=self._learning_rate(), betas=self.betas, fused=True
            )
            for name, player in self.players.items()
            if any(True for _ in player.parameters())
        }

    def _learning_rate(self) -> float:
        done = self.iteration / self.settings.iterations
        return self.settings.fit_learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def _before_step(self) -> None:
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate()

    # -- stage 1 --------------------------------------------------------------------------------

    def advance(self, iterations: int) -> dict[str, float]:
        """Stage 1 if it is still to come, then `iterations` of stage 2.

        Returns:
            The mean of every loss term of stage 2.

        Raises:
            TrialDiverged: a term was NaN or infinite; says which and when.
        """
        if not self._has_stage_1:
            self._take_over(self._trained_vae())
        return super().advance(iterations)

    @property
    def _may_round_products(self) -> bool:
        """Stage 1 may; energies and flows are trained in float32."""
        return False

    def _trained_vae(self) -> dict[str, Any]:
        """Encoder, decoder and prior of the trained VAE, from the cache if there is such a one."""
        stage_1 = self.settings.stage_1
        if stage_1 is None:
            return self._frozen_state()
        seed = self.settings.stage1_seed
        seed = self.seed if seed is None else seed

        def train() -> dict[str, Any]:
            vae = VAE(stage_1, seed=seed, device=self.device)
            vae.advance(stage_1.iterations)
            parts = {"encoder": vae.encoder, "decoder": vae.decoder, "base": vae.prior}
            return {name: _on_cpu(module.state_dict()) for name, module in parts.items()}

        key = {
            "settings": settings_to_dict(stage_1),
            "seed": seed,
            "data": getattr(self.dataset, "fingerprint", ""),
            "device": self.device.type,
            "torch": torch.__version__,
        }
        state: dict[str, Any] = cached("vae", key, train)
        return state

    def _take_over(self, state: dict[str, Any]) -> None:
        """Freeze the VAE in this state, and encode the train split once."""
        for name, module in self._frozen().items():
            module.load_state_dict(state[name])
            module.requires_grad_(False)
        self._has_stage_1 = True
        if isinstance(self.dataset, ImageData):
            with torch.no_grad(), tf32_products(allowed=False):
                self._posteriors = encode_in_batches(self.encoder, self.dataset.train.images)

    def _frozen(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "decoder": self.decoder, "base": self.base}

    def _frozen_state(self) -> dict[str, Any]:
        return {name: module.state_dict() for name, module in self._frozen().items()}

    # -- stage 2 --------------------------------------------------------------------------------

    @torch.no_grad()
    def _posterior_batch(self, n: int) -> Tensor:
        """Posterior samples of `n` random data points, with fresh noise, [n, L]."""
        with span("data"):
            if isinstance(self.dataset, ImageData):
                chosen = torch.randint(
                    len(self.dataset.train),
                    (n,),
                    generator=self.streams["data"],
                    device=self.device,
                )
                q = Posterior(*(part[chosen] for part in self._posteriors))
            else:
                q = self.encoder(self.dataset.sample(n, self.streams["data"]))
            return reparameterise(*q, self._noise(*q.mu.shape))

    # -- checkpoints ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        state = {
            "iteration": self.iteration,
            "has_stage_1": self._has_stage_1,
            **self._frozen_state(),
            "players": {name: player.state_dict() for name, player in self.players.items()},
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "streams": {name: s.get_state() for name, s in self.streams.items()},
        }
        return state if self.average is None else {**state, "average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`: on the CPU bit for bit as if never interrupted."""
        self.iteration = state["iteration"]
        self._seen = None
        if state["has_stage_1"]:
            self._take_over(state)
        for name, player in self.players.items():
            player.load_state_dict(state["players"][name])
        self._make_optimisers()
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, stream in self.streams.items():
            stream.set_state(state["streams"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {key: v.cpu() if isinstance(v, Tensor) else v for key, v in state.items()}


class PointEncoder(nn.Module):
    """Takes data points as latent points: a posterior without any width to speak of."""

    def forward(self, x: Tensor) -> Posterior:
        """x [B, L] -> mu, logvar [B, L]."""
        return Posterior(x, torch.full_like(x, LATENT_POINT_LOGVAR))
