"""Ex-post density estimation: Gaussians with full covariances, fitted by EM."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from introsearch.priors.full_mixture import FullCovarianceMixture
from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import LatentGMMSettings
from introsearch.training.latent.base import LatentPriorTrainer, Players
from introsearch.training.streams import stream_seed

_MOST_POINTS = 20_000


class LatentGMM(LatentPriorTrainer):
    """EM runs at the first iteration, on posterior samples; the other iterations only pass."""

    Settings: ClassVar[type[TrainerSettings]] = LatentGMMSettings
    settings: LatentGMMSettings

    def _make_players(self) -> Players:
        k, dims = max(1, self.settings.gaussians), self.settings.latent_dim
        self.nll = torch.zeros((), device=self.device)
        self.mixture = FullCovarianceMixture(
            torch.zeros(k, dims), torch.eye(dims).repeat(k, 1, 1), torch.full((k,), 1 / k)
        ).to(self.device)
        return Players({"mixture": self.mixture}, self.mixture)

    def _step(self) -> dict[str, Tensor]:
        if self.iteration == 0:
            z = self._posterior_batch(_MOST_POINTS)
            if self.settings.gaussians:
                self._fit(z)
            self.nll = -self.mixture.log_prob(z).mean()
        return {"nll": self.nll}

    def _fit(self, z: Tensor) -> None:
        from sklearn.mixture import GaussianMixture

        fitted = GaussianMixture(
            self.settings.gaussians,
            max_iter=self.settings.iterations,
            reg_covar=1e-6,
            random_state=stream_seed(self.seed, "em") % 2**32,
        ).fit(z.double().cpu().numpy())
        self.mixture.mu.copy_(torch.from_numpy(fitted.means_))
        covariances = torch.from_numpy(fitted.covariances_)
        self.mixture.factors.copy_(torch.linalg.cholesky(covariances))
        weights = torch.from_numpy(fitted.weights_)
        self.mixture.weights.copy_(weights)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "nll": self.nll}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.nll = state["nll"].to(self.device)
