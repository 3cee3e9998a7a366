"""Settings of the trainers that fit a prior to a frozen VAE's aggregate posterior. No torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.fields import bounded, choice
from introsearch.settings.vae import ModelSettings, VAESettings

# What has no effect where stage 1 is not trained, and where there is none at all.
_TRAINING = (
    "precision", "compile", "prior", "components", "learnable_contributions", "beta_rec", "beta_kl",
    "kl_estimator", "num_draws", "hidden_units", "networks", "channels", "channels_last",
    "learning_rate", "lr_milestones", "lr_decay", "stage1_iterations", "stage1_epochs",
    "stage1_seed",
)  # fmt: skip
_MODEL = ("latent_dim", "stage1_trial")  # those of images are refused with points of any kind
_WITH_GAUSSIAN_PRIOR = {"components": 1, "kl_estimator": "closed_form"}
_TRIAL = "[0-9a-f]{12}(-s[0-9]+)?"
_SIR_PROPOSALS = 100
_LANGEVIN_STEPS, _LANGEVIN_STEP_SIZE = 20, 0.01


@dataclass(frozen=True, kw_only=True)
class LatentPriorSettings(ModelSettings):
    """A VAE (stage 1), and a prior fitted to its frozen aggregate posterior (stage 2).

    The model's settings are those of stage 1, which is a VAE. It is trained once for each of its
    settings and seeds, and kept (`INTROSEARCH_CACHE`), so that all trials which share it have the
    very same. Instead of training one, `stage1_trial` takes a trained model from the record. A data
    set of latent points has no stage 1.

    Attributes:
        iterations: of stage 2 (20,000).
        stage1_iterations: of stage 1 (30,000 for points, 220 epochs for images).
        stage1_epochs: the same in epochs of images, instead of iterations.
        stage1_seed: of the VAE (the trial's): a number gives all seeds the same VAE.
        stage1_trial: a finished trial whose encoder, decoder and prior are stage 1, of any trainer
            with these three, by its name in `introsearch status STUDY --trials`, e.g.
            0123456789ab-s1, or without -s1: then each seed has the trial of the same seed. Its
            checkpoint must be in the runs folder, where studies keep those of reported trials.
        fit_learning_rate: Adam's in stage 2, at its start; it falls to zero along a cosine.
    """

    stage1_iterations: int | None = bounded(None, low=1)
    stage1_epochs: int | None = bounded(None, low=1)
    stage1_seed: int | None = bounded(None, low=0)
    stage1_trial: str | None = None
    fit_learning_rate: float = bounded(5e-4, above=0.0)

    def __post_init__(self) -> None:
        if self.epochs is not None:
            raise ConfigError(
                "is not for two stages", key="epochs", hint="set iterations and stage1_epochs"
            )
        self._fill("iterations", 20_000)
        super().__post_init__()
        if data_kind(self.dataset) == "latents":
            self._refuse(
                (*_TRAINING, *_MODEL), f"{self.dataset} are latent points, which need none"
            )
        elif self.stage1_trial is not None:
            self._check_trial_name()
            self._refuse(_TRAINING, f"that is the finished trial {self.stage1_trial}")
        else:
            self._resolve_length("stage1_iterations", "stage1_epochs", self.protocol.length)

    @property
    def stage_1(self) -> VAESettings | None:
        """The settings of stage 1; None where it has none, or is a finished trial."""
        if self.stage1_iterations is None:
            return None
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(VAESettings)}
        return VAESettings(**{**values, "iterations": self.stage1_iterations})

    def shortened(self, iterations: int) -> Self:
        if self.stage1_iterations is None:
            return super().shortened(iterations)
        stage_1 = min(self.stage1_iterations, iterations)
        return dataclasses.replace(self, iterations=iterations, stage1_iterations=stage_1)

    def _refuse(self, names: Sequence[str], reason: str) -> None:
        """Refuse settings that have no effect.

        At its default, one is as if not given: records have all settings.
        """
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        defaults |= _WITH_GAUSSIAN_PRIOR | self._defaults_by_data()
        for name in names:
            if getattr(self, name) != defaults[name]:
                raise ConfigError(
                    f"is for training stage 1, and {reason}", key=name, hint="leave it out"
                )

    def _check_trial_name(self) -> None:
        if not re.fullmatch(_TRIAL, self.stage1_trial or ""):
            raise ConfigError(
                f"{self.stage1_trial!r} is no trial's name",
                key="stage1_trial",
                hint="`introsearch status STUDY --trials` lists them, e.g. 0123456789ab-s1; "
                "without -s1, each seed has the trial of the same seed",
            )
        if self.stage1_seed is not None:
            raise ConfigError(
                "is for a stage 1 that is trained",
                key="stage1_seed",
                hint=f"leave it out, or write stage1_trial: ...-s{self.stage1_seed}",
            )

    def stage_1_of(self, seed: int) -> str:
        """Name of the finished trial that is stage 1 of the trial with a seed; empty if none is."""
        name = self.stage1_trial or ""
        return f"{name}-s{seed}" if name and "-" not in name else name


@dataclass(frozen=True, kw_only=True)
class _FlowSettings:
    """A RealNVP flow, and the moving average of its weights.

    Attributes:
        coupling_blocks: of the flow.
        flow_units: width of the hidden layers of its scales and shifts.
        average_decay: of the exponential moving average of the flow's weights, which is what
            samples; 0 samples from the weights themselves.
    """

    coupling_blocks: int = bounded(3, low=1)
    flow_units: int = bounded(128, low=1)
    average_decay: float = bounded(0.999, low=0.0, below=1.0)


@dataclass(frozen=True, kw_only=True)
class LatentFlowSettings(_FlowSettings, LatentPriorSettings):
    """A RealNVP flow of maximum likelihood (GLF, Xiao, Yan and Amit, arXiv 1905.10485)."""


@dataclass(frozen=True, kw_only=True)
class NCPSettings(LatentPriorSettings):
    """A noise-contrastive prior (NCP-VAE, Aneja et al., arXiv 2010.02917), sampled by SIR from p_0.

    Attributes:
        energy_units: width of the two hidden layers of the classifier.
        proposals: points of p_0 that each sample is drawn from.
    """

    energy_units: int = bounded(128, low=1)
    proposals: int = bounded(_SIR_PROPOSALS, low=1)


@dataclass(frozen=True, kw_only=True)
class LatentGMMSettings(LatentPriorSettings):
    """Full-covariance Gaussians, fitted by EM to posterior samples (ex-post density estimation).

    Attributes:
        iterations: of EM, at most; it ends sooner where it converges.
        gaussians: how many; 1 is the Gaussian with the posterior's mean and covariance, 0 the
            standard normal, to which nothing is fitted.
    """

    gaussians: int = bounded(10, low=0)


@dataclass(frozen=True, kw_only=True)
class EVaLPSettings(_FlowSettings, LatentPriorSettings):
    """An energy f and a flow that samples it (EVaLP, Dutta et al., arXiv 2510.00260).

    What kl_weight (w) does: the penalty holds the slopes of f to about 1, and then the density that
    the two reach together is exp(-f / w) p_0. It equals the aggregate posterior q only where
    w |grad log(p_0 / q)| <= 1, so a large w leaves a hole; as w goes to 0 the flow comes closer to
    q, but f ceases to be a log-density ratio, and resampling by it is noise (see effective_share).

    Attributes:
        iterations: steps of the sampler, each after critic_steps of the energy (20,000).
        energy_units: width of the energy's two hidden layers.
        kl_weight: w of the sampler's KL[p_g || p_0]; the paper's equations have 1, its code
            1e-8 (MNIST, CIFAR-10) and 1e-3 (CelebA).
        penalty_weight: lambda of the gradient penalty.
        one_sided_penalty: penalise only slopes above 1. The two-sided penalty keeps slopes at 1
            where the solution is flatter, so that its last iterates oscillate around it.
        critic_steps: of the energy, per step of the sampler.
        sampling: ``flow`` is one pass; ``sir`` resamples it with exact weights towards
            exp(-f / w) p_0; ``sir_energy_only`` with weights exp(-f), as the authors' code does;
            ``langevin`` runs Langevin dynamics on exp(-f / w) p_0 from p_0.
        proposals: of ``sir`` and ``sir_energy_only``, per sample (100).
        langevin_steps: of ``langevin`` (20).
        langevin_step_size: of ``langevin`` (0.01).
    """

    energy_units: int = bounded(128, low=1)
    kl_weight: float = bounded(1e-3, low=0.0)
    penalty_weight: float = bounded(10.0, low=0.0)
    one_sided_penalty: bool = False
    critic_steps: int = bounded(5, low=1)
    sampling: str = choice("flow", legal=("flow", "sir", "sir_energy_only", "langevin"))
    proposals: int | None = bounded(None, low=1)
    langevin_steps: int | None = bounded(None, low=1)
    langevin_step_size: float | None = bounded(None, above=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_weight == 0 and self.sampling in ("sir", "langevin"):
            raise ConfigError(
                f"there is no density exp(-f / w) p_0 for sampling: {self.sampling} with w = 0",
                key="kl_weight",
                hint="set kl_weight above 0, or sampling: flow or sir_energy_only",
            )
        self._only_for(("sir", "sir_energy_only"), "proposals", _SIR_PROPOSALS)
        self._only_for(("langevin",), "langevin_steps", _LANGEVIN_STEPS)
        self._only_for(("langevin",), "langevin_step_size", _LANGEVIN_STEP_SIZE)

    def _only_for(self, sampling: tuple[str, ...], name: str, default: float) -> None:
        if self.sampling in sampling:
            self._fill(name, default)
        elif getattr(self, name) is not None:
            raise ConfigError(
                f"has no meaning for sampling: {self.sampling}",
                key=name,
                hint=f"leave it out, or set sampling: {' or '.join(sampling)}",
            )
