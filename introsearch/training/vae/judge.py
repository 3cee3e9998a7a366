"""What is looked at in a model of encoder, decoder and prior, whichever trainer it is of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, nn

from introsearch.data.base import Data
from introsearch.data.images import ImageData
from introsearch.metrics.active_units import latent_numbers
from introsearch.metrics.generation import view_extractor
from introsearch.metrics.values import metric_values
from introsearch.metrics.view import ModelView
from introsearch.nets.number_format import tf32_products
from introsearch.priors.base import Prior
from introsearch.sample_sizes import sample_size
from introsearch.settings.vae import ModelSettings
from introsearch.training.figure_data import Figure
from introsearch.training.streams import make_stream
from introsearch.training.vae.figures import image_figure, points_figure


class Judge:
    """Judges and draws a model, in float32 and with random streams of its own.

    Args:
        settings: of the model's trainer.
        dataset: what it is trained on.
        seed: of the trial.
        device: where the model is.
    """

    def __init__(
        self, settings: ModelSettings, dataset: Data, *, seed: int, device: torch.device
    ) -> None:
        self._settings, self._dataset = settings, dataset
        self._seed, self._device = seed, device
        self._seen: ModelView | None = None  # what was judged last, until the model changes

    def view(self, encoder: nn.Module, decoder: nn.Module, prior: Prior) -> ModelView:
        """A model as metrics look at it."""
        s = self._settings
        if s.num_samples is None or s.feature_extractor is None:
            return ModelView(self._dataset, encoder, decoder, prior)
        return ModelView(
            self._dataset,
            encoder,
            decoder,
            prior,
            num_samples=sample_size(s.num_samples),
            feature_extractor=s.feature_extractor,
            batch_size=s.batch_size,
        )

    def extractor(self, view: ModelView) -> str:
        """Whose features its metrics compare images by; empty for points."""
        return view_extractor(view).name if isinstance(self._dataset, ImageData) else ""

    @torch.no_grad()
    @tf32_products(allowed=False)
    def evaluate(self, names: Sequence[str], view: ModelView, *, keep: bool) -> dict[str, float]:
        """Metrics by name.

        Args:
            names: of metrics.
            view: the model.
            keep: whether `details` asks for the same model, unless it changes before.

        Raises:
            ConfigError: as for `metric_values`.
        """
        if keep:
            self._seen = view
        return metric_values(names, view, new_stream=self._stream)

    @torch.no_grad()
    @tf32_products(allowed=False)
    def details(self, view: ModelView) -> dict[str, float]:
        """How much each latent dimension is used (`metrics.active_units.latent_numbers`).

        Right after `evaluate`, from the posterior that its metrics made.
        """
        return latent_numbers(self._seen or view, self._stream())

    @torch.no_grad()
    @tf32_products(allowed=False)
    def figures(self, view: ModelView) -> dict[str, Figure]:
        """The model as it is now, as in the figures of the prior-learning paper."""
        draw = image_figure if self._dataset.kind == "images" else points_figure
        return {"model": draw(view, self._stream())}

    def forget(self) -> None:
        """Take note that the model changes."""
        self._seen = None

    def _stream(self) -> Generator:
        return make_stream(self._seed, "evaluation", device=self._device)
