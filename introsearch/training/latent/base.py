"""What all trainers share that fit a prior to the aggregate posterior of a frozen model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from introsearch.metrics.view import ModelView
from introsearch.nets.number_format import tf32_products
from introsearch.priors.base import Prior
from introsearch.settings.base import TrainerSettings
from introsearch.settings.latent import LatentPriorSettings
from introsearch.training.base import Trainer
from introsearch.training.figure_data import Figure
from introsearch.training.latent.frozen_model import FrozenModel
from introsearch.training.spans import span
from introsearch.training.stepwise import take_steps
from introsearch.training.streams import make_stream, stream_seed
from introsearch.training.vae.judge import Judge
from introsearch.training.weight_average import WeightAverage


class Players(NamedTuple):
    """What stage 2 trains, and what it makes of them.

    Attributes:
        trained: the players by name, on the trainer's device.
        prior: samples by them.
        average: moving average of the players that sample, if the method has one.
    """

    trained: dict[str, nn.Module]
    prior: Prior
    average: WeightAverage | None = None


class LatentPriorTrainer(Trainer):
    """Fits a prior to posterior samples of a model, which is made ready before the first step.

    A method defines `_make_players` and `_step`.

    Args:
        settings: what to train.
        seed: everything random follows from it.
        device: where to train.

    Attributes:
        stage_1: the model, which stays as it is.
        players: what stage 2 trains.
        prior: the prior as fitted so far.
        average: moving average of the players that sample, if the method has one.
    """

    Settings: ClassVar[type[TrainerSettings]] = LatentPriorSettings
    settings: LatentPriorSettings
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    def __init__(
        self, settings: LatentPriorSettings, *, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.device = torch.device(device)
        self.iteration = 0
        self.streams = {p: make_stream(seed, p, device=self.device) for p in ("data", "noise")}
        self.stage_1 = FrozenModel(settings, seed=seed, device=self.device)
        self._judge = Judge(settings, self.stage_1.dataset, seed=seed, device=self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "players"))
            self.players, self.prior, self.average = self._make_players()
        self._make_optimisers()

    def _make_players(self) -> Players:
        """Make the players from torch's global generator; `stage_1` is there already."""
        raise NotImplementedError

    def _step(self) -> dict[str, Tensor]:
        """Train for one iteration and return its loss terms, detached."""
        raise NotImplementedError

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

    # -- training -------------------------------------------------------------------------------

    def advance(self, iterations: int) -> dict[str, float]:
        """Stage 1 if it is still to come, then `iterations` of stage 2.

        Returns:
            The mean of every loss term of stage 2.

        Raises:
            TrialDiverged: a term was NaN or infinite; says which and when.
        """
        self.stage_1.prepare()
        self._judge.forget()
        with tf32_products(allowed=False):  # stage 1 may; not energies and flows
            return take_steps(self, iterations, before=self._before_step, step=self._step)

    def _before_step(self) -> None:
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate()

    def _posterior_batch(self, n: int) -> Tensor:
        """Posterior samples of `n` random data points, [n, L]."""
        with span("data"):
            streams = self.streams
            return self.stage_1.posterior_batch(n, data=streams["data"], noise=streams["noise"])

    # -- looking, without touching --------------------------------------------------------------

    @property
    def extractor(self) -> str:
        return self._judge.extractor(self._view())

    def evaluate(self, names: Sequence[str], *, averaged: bool = False) -> dict[str, float]:
        """Metrics by name; the prior has averaged weights in any case, if the method has any.

        Raises:
            ConfigError: as for `metric_values`.
        """
        return self._judge.evaluate(names, self._view(), keep=True)

    def details(self) -> dict[str, float]:
        """How much each latent dimension is used."""
        return self._judge.details(self._view())

    def figures(self) -> dict[str, Figure]:
        """The model as it is now, with the fitted prior."""
        return self._judge.figures(self._view())

    def _view(self) -> ModelView:
        return self._judge.view(self.stage_1.encoder, self.stage_1.decoder, self.prior)

    # -- checkpoints ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        state = {
            "iteration": self.iteration,
            **self.stage_1.state_dict(),
            "players": {name: player.state_dict() for name, player in self.players.items()},
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "streams": {name: s.get_state() for name, s in self.streams.items()},
        }
        return state if self.average is None else {**state, "average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`: on the CPU bit for bit as if never interrupted."""
        self.iteration = state["iteration"]
        self._judge.forget()
        self.stage_1.load_state_dict(state)
        for name, player in self.players.items():
            player.load_state_dict(state["players"][name])
        self._make_optimisers()
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, stream in self.streams.items():
            stream.set_state(state["streams"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
