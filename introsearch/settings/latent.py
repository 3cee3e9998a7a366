"""Settings of the trainers that fit a prior to a frozen VAE's aggregate posterior. No torch."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from pydantic import Field

from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.model import Model, Number, Whole
from introsearch.settings.vae import (
    ModelSettings,
    VAESettings,
    defaults_by_data,
    fill_in,
    protocol_for,
    resolve_length,
)

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


class LatentPriorSettings(ModelSettings):
    """A VAE (stage 1), and a prior fitted to its frozen aggregate posterior (stage 2).

    The model's settings are those of stage 1, which is a VAE. It is trained once for each of its
    settings and seeds, and kept (`INTROSEARCH_CACHE`), so that all trials which share it have the
    very same. Instead of training one, `stage1_trial` takes a trained model from the record. A data
    set of latent points has no stage 1.
    """

    class Written(ModelSettings.Written):
        """Lengths in epochs."""

        stage1_epochs: Whole | None = Field(
            None, ge=1, description="stage1_iterations in epochs of images, instead of iterations"
        )

    iterations: Whole = Field(20_000, ge=1, description="of stage 2")
    stage1_iterations: Whole | None = Field(
        None, ge=1, description="of stage 1 (30,000 for points, 220 epochs for images)"
    )
    stage1_seed: Whole | None = Field(
        None, ge=0, description="of the VAE (the trial's): a number gives all seeds the same VAE"
    )
    stage1_trial: str | None = Field(
        None,
        description="a finished trial whose encoder, decoder and prior are stage 1, of any trainer "
        "with these three, by its name in `introsearch status STUDY --trials`, e.g. "
        "0123456789ab-s1, or without -s1: then each seed has the trial of the same seed. Its "
        "checkpoint must be in the runs folder, where studies keep those of reported trials",
    )
    fit_learning_rate: Number = Field(
        5e-4, gt=0, description="Adam's in stage 2, at its start; it falls to zero along a cosine"
    )

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        if written["epochs"] is not None:
            hint = "set iterations and stage1_epochs"
            raise ConfigError("is not for two stages", key="epochs", hint=hint)
        written = super().fill(written)
        dataset, trial = written["dataset"], written["stage1_trial"]
        if data_kind(dataset) == "latents":
            without = f"{dataset} are latent points, which need none"
            faults = list(cls._without_effect(written, (*_TRAINING, *_MODEL), without))
        elif trial is not None:
            without = f"that is the finished trial {trial}"
            faults = [
                *_no_name(trial, seed=written["stage1_seed"]),
                *cls._without_effect(written, _TRAINING, without),
            ]
        else:
            length = protocol_for(written).length
            return resolve_length(written, "stage1_iterations", "stage1_epochs", default=length)
        if faults:
            raise ConfigError.of(faults)
        return written

    @classmethod
    def _without_effect(
        cls, written: dict[str, Any], names: Sequence[str], reason: str
    ) -> Iterator[ConfigError]:
        """Settings that have no effect and are given.

        At its default, one is as if not given: records have all settings.
        """
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        defaults |= {"stage1_epochs": None} | _WITH_GAUSSIAN_PRIOR
        defaults |= defaults_by_data(written)
        for name in names:
            if written[name] != defaults[name]:
                message = f"is for training stage 1, and {reason}"
                yield ConfigError(message, key=name, hint="leave it out")

    @property
    def stage_1(self) -> VAESettings | None:
        """The settings of stage 1; None where it has none, or is a finished trial."""
        if self.stage1_iterations is None:
            return None
        values = {name: getattr(self, name) for name in VAESettings.model_fields}
        return VAESettings(**{**values, "iterations": self.stage1_iterations})

    def shortened(self, iterations: int) -> Self:
        if self.stage1_iterations is None:
            return super().shortened(iterations)
        stage_1 = min(self.stage1_iterations, iterations)
        return self.changed(iterations=iterations, stage1_iterations=stage_1)

    def stage_1_of(self, seed: int) -> str:
        """Name of the finished trial that is stage 1 of the trial with a seed; empty if none is."""
        name = self.stage1_trial or ""
        return f"{name}-s{seed}" if name and "-" not in name else name


def _no_name(trial: str, *, seed: int | None) -> Iterator[ConfigError]:
    if not re.fullmatch(_TRIAL, trial):
        yield ConfigError(
            f"{trial!r} is no trial's name",
            key="stage1_trial",
            hint="`introsearch status STUDY --trials` lists them, e.g. 0123456789ab-s1; "
            "without -s1, each seed has the trial of the same seed",
        )
    if seed is not None:
        yield ConfigError(
            "is for a stage 1 that is trained",
            key="stage1_seed",
            hint=f"leave it out, or write stage1_trial: ...-s{seed}",
        )


class _FlowSettings(Model):
    """A RealNVP flow, and the moving average of its weights."""

    coupling_blocks: Whole = Field(3, ge=1, description="of the flow")
    flow_units: Whole = Field(
        128, ge=1, description="width of the hidden layers of its scales and shifts"
    )
    average_decay: Number = Field(
        0.999,
        ge=0,
        lt=1,
        description="of the exponential moving average of the flow's weights, which is what "
        "samples; 0 samples from the weights themselves",
    )


class LatentFlowSettings(_FlowSettings, LatentPriorSettings):
    """A RealNVP flow of maximum likelihood (GLF, Xiao, Yan and Amit, arXiv 1905.10485)."""


class NCPSettings(LatentPriorSettings):
    """A noise-contrastive prior (NCP-VAE, Aneja et al., arXiv 2010.02917), sampled by SIR from p_0.

    A classifier tells posterior samples from those of p_0.
    """

    energy_units: Whole = Field(
        128, ge=1, description="width of the two hidden layers of the classifier"
    )
    proposals: Whole = Field(
        _SIR_PROPOSALS, ge=1, description="points of p_0 that each sample is drawn from"
    )


class LatentGMMSettings(LatentPriorSettings):
    """Full-covariance Gaussians, fitted by EM to posterior samples (ex-post density estimation)."""

    iterations: Whole = Field(
        20_000, ge=1, description="of EM, at most; it ends sooner where it converges"
    )
    gaussians: Whole = Field(
        10,
        ge=0,
        description="how many; 1 is the Gaussian with the posterior's mean and covariance, 0 the "
        "standard normal, to which nothing is fitted",
    )


class EVaLPSettings(_FlowSettings, LatentPriorSettings):
    """An energy f and a flow that samples it (EVaLP, Dutta et al., arXiv 2510.00260).

    What kl_weight (w) does: the penalty holds the slopes of f to about 1, and then the density that
    the two reach together is exp(-f / w) p_0. It equals the aggregate posterior q only where
    w |grad log(p_0 / q)| <= 1, so a large w leaves a hole; as w goes to 0 the flow comes closer to
    q, but f ceases to be a log-density ratio, and resampling by it is noise (see effective_share).
    """

    iterations: Whole = Field(
        20_000, ge=1, description="steps of the sampler, each after critic_steps of the energy"
    )
    energy_units: Whole = Field(128, ge=1, description="width of the energy's two hidden layers")
    kl_weight: Number = Field(
        1e-3,
        ge=0,
        description="w of the sampler's KL[p_g || p_0]; the paper's equations have 1, its code "
        "1e-8 (MNIST, CIFAR-10) and 1e-3 (CelebA)",
    )
    penalty_weight: Number = Field(10.0, ge=0, description="lambda of the gradient penalty")
    one_sided_penalty: bool = Field(
        False,
        description="penalise only slopes above 1. The two-sided penalty keeps slopes at 1 where "
        "the solution is flatter, so that its last iterates oscillate around it",
    )
    critic_steps: Whole = Field(5, ge=1, description="of the energy, per step of the sampler")
    sampling: Literal["flow", "sir", "sir_energy_only", "langevin"] = Field(
        "flow",
        description="flow is one pass; sir resamples it with exact weights towards "
        "exp(-f / w) p_0; sir_energy_only with weights exp(-f), as the authors' code does; "
        "langevin runs Langevin dynamics on exp(-f / w) p_0 from p_0",
    )
    proposals: Whole | None = Field(
        None, ge=1, description="of sir and sir_energy_only, per sample (100)"
    )
    langevin_steps: Whole | None = Field(None, ge=1, description="of langevin (20)")
    langevin_step_size: Number | None = Field(None, gt=0, description="of langevin (0.01)")

    @classmethod
    def fill(cls, written: dict[str, Any]) -> dict[str, Any]:
        written = super().fill(written)
        if written["sampling"] in ("sir", "sir_energy_only"):
            fill_in(written, {"proposals": _SIR_PROPOSALS})
        if written["sampling"] == "langevin":
            steps, size = _LANGEVIN_STEPS, _LANGEVIN_STEP_SIZE
            fill_in(written, {"langevin_steps": steps, "langevin_step_size": size})
        return written

    def contradictions(self) -> Iterator[ConfigError]:
        yield from super().contradictions()
        if self.kl_weight == 0 and self.sampling in ("sir", "langevin"):
            yield ConfigError(
                f"there is no density exp(-f / w) p_0 for sampling: {self.sampling} with w = 0",
                key="kl_weight",
                hint="set kl_weight above 0, or sampling: flow or sir_energy_only",
            )
        needed = {
            "proposals": ("sir", "sir_energy_only"),
            "langevin_steps": ("langevin",),
            "langevin_step_size": ("langevin",),
        }
        for name, sampling in needed.items():
            if getattr(self, name) is not None and self.sampling not in sampling:
                yield ConfigError(
                    f"has no meaning for sampling: {self.sampling}",
                    key=name,
                    hint=f"leave it out, or set sampling: {' or '.join(sampling)}",
                )
