"""Trainers of shallow VAEs whose posterior collapse is predicted, and judged by the prediction."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from introsearch.losses.shallow import CollapseLoss, Moments, collapse_loss
from introsearch.metrics.collapse_curve import DELTA, collapse_levels
from introsearch.metrics.modes import ModesView, PredictedModes, mode_numbers
from introsearch.metrics.values import metric_values
from introsearch.nets.shallow import ShallowVAE
from introsearch.sample_sizes import sample_size
from introsearch.settings.base import TrainerSettings
from introsearch.settings.shallow import (
    CollapseCVAESettings,
    CollapseHVAESettings,
    CollapseSettings,
    CollapseVAESettings,
)
from introsearch.training.base import Trainer
from introsearch.training.figure_data import CollapseFigure, Figure
from introsearch.training.shallow.likelihood import importance_nll
from introsearch.training.shallow.moments import exact_moments, sampled_moments
from introsearch.training.shallow.pictures import IMAGES, pictures
from introsearch.training.shallow.prediction import predict_modes
from introsearch.training.shallow.rows import TrainTest, correlated_rows, image_rows, moment_theta
from introsearch.training.shallow.view import read_modes
from introsearch.training.spans import span
from introsearch.training.stepwise import descend, take_steps
from introsearch.training.streams import make_stream, stream_seed

NLL_ROWS, NLL_DRAWS = 200, 1_000


class CollapseTrainer(Trainer):
    """Minimises the beta-ELBO of one kind of model; subclasses say which.

    Args:
        settings: what to train.
        seed: everything random follows from it.
        device: where to train.
    """

    Settings: ClassVar[type[TrainerSettings]] = CollapseSettings

    def __init__(
        self, settings: CollapseSettings, *, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.settings: Any = settings
        self.seed = seed
        self.device = torch.device(device)
        self.iteration = 0
        self.rows, self.test_rows = self._make_rows()
        self.streams = {p: make_stream(seed, p, device=self.device) for p in ("data", "noise")}
        self.betas, self.prior_stds = self._levels()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "init"))
            self.nets = ShallowVAE(
                dims=self.rows.dims,
                condition_dims=self.rows.condition_dims,
                latent_dim=settings.latent_dim,
                stds=tuple(
                    std if sigma is None else sigma
                    for std, sigma in zip(self.prior_stds, settings.sigmas, strict=True)
                ),
                variances=tuple(
                    settings.variance if sigma is None else "fixed" for sigma in settings.sigmas
                ),
                hidden_units=settings.hidden_units,
                layout=self.rows.layout,
                channels=settings.channels,
            ).to(self.device)
        self._make_optimiser()
        self._seen: tuple[int, ModesView] | None = None

    # -- what a model is -------------------------------------------------------------------------

    def _make_rows(self) -> TrainTest:
        s = self.settings
        return image_rows(
            s.dataset,
            device=self.device,
            train_images=s.train_images,
            label=s.label,
            condition=getattr(s, "condition", None),
        )

    def _levels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Weight of each latent, and standard deviation of its prior."""
        s = self.settings
        return (s.beta,), (s.eta_enc,)

    @functools.cached_property
    def predicted(self) -> PredictedModes:
        """The optimum of the linear model on the same data."""
        return predict_modes(
            moment_theta(self.rows.second, dims=self.rows.dims), settings=self.settings
        )

    # -- training -------------------------------------------------------------------------------

    def _make_optimiser(self) -> None:
        trained = [p for p in self.nets.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=self._learning_rate(), fused=True)

    def _learning_rate(self) -> float:
        done = self.iteration / self.settings.iterations
        return float(self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done)))

    def advance(self, iterations: int) -> dict[str, float]:
        return take_steps(self, iterations, before=self._before_step, step=self._step)

    def _before_step(self) -> None:
        self.optimiser.param_groups[0]["lr"] = self._learning_rate()

    def _step(self) -> dict[str, Tensor]:
        with span("all players"):
            loss = self._loss(self._moments())
            descend(self.optimiser, loss.total)
        names = ("kl",) if len(loss.kls) == 1 else ("kl_z1", "kl_z2")
        terms = {"loss": loss.total, "rec": loss.rec, **dict(zip(names, loss.kls, strict=True))}
        return {name: term.detach() for name, term in terms.items()}

    def _moments(self) -> Moments:
        if self.settings.expectation == "exact":
            return exact_moments(self.nets, self.rows.second)
        with span("data"):
            batch = self.rows.sample(self.settings.batch_size, self.streams["data"])
        return sampled_moments(self.nets, batch, self._noise(len(batch), self.streams["noise"]))

    def _noise(self, n: int, stream: torch.Generator) -> Tensor:
        shape = (n, len(self.betas), self.settings.latent_dim)
        return torch.randn(shape, dtype=torch.double, generator=stream, device=self.device)

    def _loss(self, moments: Moments) -> CollapseLoss:
        return collapse_loss(
            moments, betas=self.betas, eta_dec=self.settings.eta_dec, prior_stds=self.prior_stds
        )

    # -- judging --------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self, names: Sequence[str], *, averaged: bool = False) -> dict[str, float]:
        """Metrics by name, without any effect on training; there are no averaged weights."""
        return metric_values(names, self._view(), new_stream=self._evaluation_stream)

    @torch.no_grad()
    def details(self) -> dict[str, float]:
        """KLs by mode, trained and predicted, and the spectrum (`metrics.modes.mode_numbers`)."""
        return mode_numbers(self._view())

    @torch.no_grad()
    def figures(self) -> dict[str, Figure]:
        """The KL by mode beside the predicted one, and what the model makes of test images."""
        view, images = self._view(), {}
        if self.test_rows.layout is not None:
            images = pictures(
                self.nets,
                self.test_rows.numbers(slice(0, IMAGES)),
                self.test_rows.layout,
                prior_stds=self.prior_stds,
                generator=self._evaluation_stream(),
            )
        predicted = tuple(np.sort(kl)[::-1] for kl in view.predicted.kl)
        return {
            "collapse": CollapseFigure(
                latents=("z",) if len(predicted) == 1 else ("z1", "z2"),
                kl=view.trained.kl,
                predicted_kl=predicted,
                collapse_levels=collapse_levels(view.pair_kl).cpu().numpy(),
                delta=DELTA,
                pictures=images,
            )
        }

    def _view(self) -> ModesView:
        """The model as it is now, read off once however often it is looked at."""
        if self._seen is None or self._seen[0] != self.iteration:
            view = read_modes(
                self.nets,
                self.rows,
                is_linear=self.settings.activation == "linear",
                prior_stds=self.prior_stds,
                loss_of=lambda moments: self._loss(moments).total.item(),
                predicted=self.predicted,
                estimate_nll=self._estimate_nll,
                stream=self._evaluation_stream(),
            )
            self._seen = self.iteration, view
        return self._seen[1]

    def _estimate_nll(self, stream: torch.Generator) -> float:
        values = importance_nll(
            self.nets,
            self.test_rows.numbers(slice(0, sample_size(NLL_ROWS, few=10))),
            eta_dec=self.settings.eta_dec,
            prior_stds=self.prior_stds,
            num_draws=sample_size(NLL_DRAWS, few=10),
            generator=stream,
        )
        return float(values.mean())

    def _evaluation_stream(self) -> torch.Generator:
        return make_stream(self.seed, "evaluation", device=self.device)

    # -- checkpoints ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on; the data follow from seed and settings."""
        return {
            "iteration": self.iteration,
            "nets": self.nets.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "streams": {name: s.get_state() for name, s in self.streams.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`: on the CPU bit for bit as if never interrupted."""
        self.iteration, self._seen = state["iteration"], None
        self.nets.load_state_dict(state["nets"])
        self._make_optimiser()
        self.optimiser.load_state_dict(state["optimiser"])
        for name, stream in self.streams.items():
            stream.set_state(state["streams"][name])


class CollapseVAE(CollapseTrainer):
    """A VAE with one latent."""

    Settings: ClassVar[type[TrainerSettings]] = CollapseVAESettings


class CollapseCVAE(CollapseTrainer):
    """A VAE given a condition."""

    Settings: ClassVar[type[TrainerSettings]] = CollapseCVAESettings

    def _make_rows(self) -> TrainTest:
        s = self.settings
        if s.rho is None:
            return super()._make_rows()
        streams = (make_stream(self.seed, n, device=self.device) for n in ("samples", "test"))
        return TrainTest(
            *(correlated_rows(s.samples, dims=s.dims, rho=s.rho, stream=st) for st in streams)
        )


class CollapseHVAE(CollapseTrainer):
    """A Markovian hierarchical VAE with two latents."""

    Settings: ClassVar[type[TrainerSettings]] = CollapseHVAESettings

    def _levels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        s = self.settings
        return (s.beta1, s.beta2), (s.eta_dec, s.eta_enc)
