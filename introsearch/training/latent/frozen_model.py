"""Stage 1 of the trainers that fit a prior: a model that is trained, recalled or given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from introsearch.data.images import ImageData
from introsearch.extensions import resolve
from introsearch.losses.kl import reparameterise
from introsearch.metrics.content_cache import cached
from introsearch.metrics.image_batches import encode_in_batches
from introsearch.nets.mlp import Posterior
from introsearch.nets.number_format import tf32_products
from introsearch.priors.base import Prior
from introsearch.priors.gaussian import StandardGaussian
from introsearch.settings.base import settings_to_dict
from introsearch.settings.latent import LatentPriorSettings
from introsearch.training.latent.stage_1 import read_stage_1
from introsearch.training.vae.dataset import open_dataset
from introsearch.training.vae.vae import VAE

_LATENT_POINT_LOGVAR = -20.0


class FrozenModel:
    """Encoder, decoder and prior as stage 1 leaves them, and the posteriors of its data.

    Before `prepare`, they are as initialised, or those of the finished trial.

    Args:
        settings: of the trainer whose stage 1 this is.
        seed: of its trial.
        device: where the model is.

    Attributes:
        dataset: what the model is of.
        encoder: from data to (mu, logvar).
        decoder: from latent points to data.
        base: p_0, the prior that the model was trained with.

    Raises:
        ConfigError: as for `read_stage_1`.
    """

    encoder: nn.Module
    decoder: nn.Module
    base: Prior

    def __init__(self, settings: LatentPriorSettings, *, seed: int, device: torch.device) -> None:
        self._settings, self.seed, self._device = settings, seed, device
        self._is_ready = False
        if settings.stage_1 is not None:
            vae = VAE(settings.stage_1, seed=seed, device=device)
            self.dataset = vae.dataset
            self._take(vae)
            return
        self.dataset = open_dataset(settings, device=device)
        if settings.stage1_trial is not None:
            found = read_stage_1(settings, seed=seed)
            trainer = resolve("trainer", found.trainer)
            vae = trainer(found.settings, seed=found.seed, device=device)
            vae.load_state_dict(found.state)
            self._take(vae)
        else:
            self.encoder, self.decoder = _PointEncoder(), nn.Identity()
            self.base = StandardGaussian(settings.latent_dim).to(device)

    def _take(self, vae: VAE) -> None:
        self.encoder, self.decoder, self.base = vae.encoder, vae.decoder, vae.prior

    def prepare(self) -> None:
        """Train the model, or take it from the cache, and freeze it; unless that has been done."""
        if not self._is_ready:
            self._freeze(self._trained())

    def _trained(self) -> dict[str, Any]:
        """The states of the trained modules, from the cache if there are such ones."""
        stage_1, device = self._settings.stage_1, self._device
        if stage_1 is None:
            return self._states()
        seed = self._settings.stage1_seed
        seed = self.seed if seed is None else seed

        def train() -> dict[str, Any]:
            vae = VAE(stage_1, seed=seed, device=device)
            vae.advance(stage_1.iterations)
            parts = {"encoder": vae.encoder, "decoder": vae.decoder, "base": vae.prior}
            return {name: _on_cpu(module.state_dict()) for name, module in parts.items()}

        key = {
            "settings": settings_to_dict(stage_1),
            "seed": seed,
            "data": getattr(self.dataset, "fingerprint", ""),
            "device": device.type,
            "torch": torch.__version__,
        }
        state: dict[str, Any] = cached("vae", key, train)
        return state

    def _freeze(self, states: dict[str, Any]) -> None:
        """Freeze the modules in these states, and encode the train split once."""
        for name, module in self._modules().items():
            module.load_state_dict(states[name])
            module.requires_grad_(False)
        self._is_ready = True
        if isinstance(self.dataset, ImageData):
            with torch.no_grad(), tf32_products(allowed=False):
                self._posteriors = encode_in_batches(self.encoder, self.dataset.train.images)

    @torch.no_grad()
    def posterior_batch(self, n: int, *, data: Generator, noise: Generator) -> Tensor:
        """Posterior samples of `n` random data points, with fresh noise, [n, L]."""
        if isinstance(self.dataset, ImageData):
            images = len(self.dataset.train)
            chosen = torch.randint(images, (n,), generator=data, device=self._device)
            q = Posterior(*(part[chosen] for part in self._posteriors))
        else:
            q = self.encoder(self.dataset.sample(n, data))
        draws = torch.randn(*q.mu.shape, generator=noise, device=self._device)
        return reparameterise(*q, draws)

    def state_dict(self) -> dict[str, Any]:
        """The states of the modules, and whether stage 1 is over."""
        return {"has_stage_1": self._is_ready, **self._states()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a model, if its stage 1 was over; otherwise it is still to come."""
        if state["has_stage_1"]:
            self._freeze(state)

    def _states(self) -> dict[str, Any]:
        return {name: module.state_dict() for name, module in self._modules().items()}

    def _modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "decoder": self.decoder, "base": self.base}


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {key: v.cpu() if isinstance(v, Tensor) else v for key, v in state.items()}


class _PointEncoder(nn.Module):
    """Takes data points as latent points: a posterior without any width to speak of."""

    def forward(self, x: Tensor) -> Posterior:
        """x [B, L] -> mu, logvar [B, L]."""
        return Posterior(x, torch.full_like(x, _LATENT_POINT_LOGVAR))
