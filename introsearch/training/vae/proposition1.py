"""Proposition 1 of the prior-learning paper, on a handful of images: only the encoder learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from introsearch.data.images import ImageData, to_float
from introsearch.errors import ConfigError
from introsearch.losses.sintrovae import Terms, encoder_loss
from introsearch.losses.vae import squared_error
from introsearch.metrics.fixed_sets import FixedSetsView
from introsearch.metrics.view import ModelView
from introsearch.settings.base import TrainerSettings
from introsearch.settings.proposition1 import Proposition1Settings
from introsearch.training.stepwise import descend
from introsearch.training.training_pass import as_constant
from introsearch.training.vae.vae import VAE


class Proposition1(VAE):
    """Stage 1 trains a VAE; stage 2 over-fits its encoder to a fixed real and a fixed fake set.

    An image per class is taken; both sets are the first few of them, so that the smaller set is a
    part of the larger one. With beta_neg = beta_kl, the encoder's optimum (eq. 8) has -s * nelbo =
    log(p_real / p_fake) / alpha on images with p_fake^(alpha + 1) > p_real, the least nelbo that it
    can reach on other real ones, and no finite nelbo on fakes that are not real.
    """

    Settings: ClassVar[type[TrainerSettings]] = Proposition1Settings
    settings: Proposition1Settings

    def __init__(
        self, settings: Proposition1Settings, *, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(settings, seed=seed, device=device)
        assert isinstance(self.dataset, ImageData)  # the settings see to it
        needed = max(settings.real_images, settings.fake_images)
        self.images = first_of_each_class(self.dataset, needed)

    def _before_step(self) -> None:
        super()._before_step()
        if self.iteration == self.settings.warmup_iterations:
            self._make_optimisers()

    def _step(self) -> dict[str, Tensor]:
        if self.iteration < self.settings.warmup_iterations:
            return self._vae_step()
        return self._encoder_step()

    def _encoder_step(self) -> dict[str, Tensor]:
        """One pass serves both sets: an image that is in both has one posterior."""
        s, x = self.settings, self.images
        q = self.encode(x)
        with as_constant(self.decoder):
            rec = squared_error(x, self.decode(self._draw(q)))
        kl = self._kl(q, frozen_prior=True)
        real = Terms(rec[: s.real_images], kl[: s.real_images])
        fake = Terms(rec[: s.fake_images], kl[: s.fake_images])
        loss = encoder_loss(
            real,
            fake,
            fake,  # all that is generated
            beta_rec=s.beta_rec,
            beta_kl=s.beta_kl,
            beta_neg=s.beta_neg,
            alpha=s.alpha,
            scale=1 / self.dataset.dims,
        )
        descend(self.optimisers["encoder"], loss.total)
        terms = {"loss_encoder": loss.total}
        for name, of_set in (("real", real), ("fake", fake)):
            rec, kl = of_set.rec.mean(), of_set.kl.mean()
            nelbo = s.beta_rec * rec + s.beta_kl * kl
            terms |= {f"rec_{name}": rec, f"kl_{name}": kl, f"nelbo_{name}": nelbo}
        return {name: value.detach() for name, value in terms.items()}

    def _view(self) -> ModelView:
        s, view = self.settings, super()._view()
        return FixedSetsView(
            self.dataset,
            self.encoder,
            self.decoder,
            self.prior,
            num_samples=view.num_samples,
            feature_extractor=view.feature_extractor,
            images=self.images,
            num_real=s.real_images,
            num_fake=s.fake_images,
            beta_rec=s.beta_rec,
            beta_kl=s.beta_kl,
        )


def first_of_each_class(data: ImageData, classes: int) -> Tensor:
    """The first train image of each of the first classes, [classes, C, H, W] in [0, 1].

    Raises:
        ConfigError: there are not so many classes among the train images.
    """
    labels: Sequence[int] = data.train.labels.tolist()
    present = sorted(set(labels))
    if classes > len(present):
        raise ConfigError(
            f"the train images have {len(present)} classes, and an image of each of {classes} is "
            "asked for",
            key="real_images",
            hint=f"real_images and fake_images of at most {len(present)}",
        )
    return to_float(data.train.images[[labels.index(c) for c in present[:classes]]])
