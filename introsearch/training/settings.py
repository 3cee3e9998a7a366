"""The settings of every trainer: typed, frozen, validated, and free of torch."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from introsearch.errors import ConfigError, nearest_hint
from introsearch.registry import DATASETS, PRIORS, TRAINERS, load


def _bounded(default: Any, *, low: float = -math.inf, above: float = -math.inf) -> Any:
    """A field with a lower bound: `low` is allowed itself, `above` is not."""
    return field(default=default, metadata={"low": low, "above": above})


def _choice(default: Any, *, legal: tuple[str, ...]) -> Any:
    return field(default=default, metadata={"legal": legal})


@dataclass(frozen=True, kw_only=True)
class VAESettings:
    """A VAE with a chosen prior on a 2D data set (the baseline, and stage 1 of `sintrovae`).

    Minimises beta_rec * rec + beta_kl * kl. The network, batch and optimiser defaults are those
    of the 2D benchmark (Prior Learning in Introspective VAEs, supplementary).

    Attributes:
        dataset: name of the data set.
        prior: ``gaussian`` (standard), ``mog`` or ``vamp``.
        components: number of mixture components (64 unless given; 1 for ``gaussian``).
        learnable_contributions: train the mixture weights; otherwise they stay uniform.
        beta_rec: weight of the reconstruction error (squared error summed over data dimensions).
        beta_kl: weight of KL[q(z|x) || p(z)].
        kl_estimator: ``closed_form`` (Gaussian prior only), ``monte_carlo``, or ``auto``, which
            is the closed form where there is one.
        num_draws: posterior samples of the Monte Carlo estimator (T, eq. 99).
        iterations: training iterations altogether.
        latent_dim: dimensions of z.
        hidden_units: width of the four hidden layers.
        batch_size: data points of an iteration.
        learning_rate: Adam's, for every player.
        lr_milestones: iterations at which the learning rate is multiplied by `lr_decay`.
        lr_decay: factor applied at each milestone.
    """

    dataset: str = _choice("8gaussians", legal=tuple(DATASETS))
    prior: str = _choice("gaussian", legal=tuple(PRIORS))
    components: int | None = None
    learnable_contributions: bool = False
    beta_rec: float = _bounded(1.0, low=0.0)
    beta_kl: float = _bounded(1.0, low=0.0)
    kl_estimator: str = _choice("auto", legal=("auto", "closed_form", "monte_carlo"))
    num_draws: int = _bounded(100, low=1)
    iterations: int = _bounded(30_000, low=1)
    latent_dim: int = _bounded(2, low=1)
    hidden_units: int = _bounded(256, low=1)
    batch_size: int = _bounded(512, low=2)
    learning_rate: float = _bounded(2e-4, above=0.0)
    lr_milestones: tuple[int, ...] = (10_000, 15_000)
    lr_decay: float = _bounded(0.1, above=0.0)

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            _check_bounds(f, getattr(self, f.name))
        self._resolve_prior()
        if list(self.lr_milestones) != sorted(set(self.lr_milestones)) or any(
            m < 1 for m in self.lr_milestones
        ):
            raise ConfigError(
                f"must be positive and increasing, not {list(self.lr_milestones)}",
                key="lr_milestones",
            )

    def _resolve_prior(self) -> None:
        """Fill in what depends on the prior, and refuse what has no meaning for it."""
        if self.prior == "gaussian":
            if self.components not in (None, 1):
                raise ConfigError(
                    f"a gaussian prior has one component, not {self.components}",
                    key="components",
                    hint="leave components out, or set prior: mog",
                )
            if self.learnable_contributions:
                raise ConfigError(
                    "a gaussian prior has no mixture weights to learn",
                    key="learnable_contributions",
                    hint="set prior: mog",
                )
            components, estimator = 1, "closed_form"
        else:
            components = 64 if self.components is None else self.components
            estimator = "monte_carlo"
            if components < 1:
                raise ConfigError(f"must be at least 1, not {components}", key="components")
            if self.kl_estimator == "closed_form":
                raise ConfigError(
                    f"there is no closed form for prior: {self.prior}",
                    key="kl_estimator",
                    hint="use monte_carlo or auto",
                )
        object.__setattr__(self, "components", components)
        if self.kl_estimator == "auto":
            object.__setattr__(self, "kl_estimator", estimator)

    @property
    def warmup_end(self) -> int:
        """First iteration at which metrics of different configurations can be compared."""
        return 0


@dataclass(frozen=True, kw_only=True)
class SIntroVAESettings(VAESettings):
    """Soft-IntroVAE with the prior as third player: all columns of Table 1 but the plain VAE.

    A ``mog`` prior is warmed up as a VampPrior and handed over into a mixture
    `handover_iterations` before the end of warm-up.

    Attributes:
        beta_neg: weight of kl on generated data in the encoder's adversarial term.
        r_entropy: weight of the responsibilities' normalised entropy on the encoder's loss.
        intro_prior: train the prior in stage 2 as well (IP).
        warmup_iterations: length of stage 1 (plain VAE training).
        handover_iterations: how long before the end of stage 1 the VampPrior is frozen into a MoG.
        alpha: exponent scale of the adversarial terms.
        gamma: weight of the decoder's adversarial term.
        gamma_r: weight, within it, of the reconstruction of generated data.
        clip_sharpness: K of the prior's adaptive log-variance soft clipping (eqs. 10, 92-97); 10
            keeps 86 % of the warm-up's range (eq. 96 asks for 85 %), 0 turns clipping off.
        average_decay: of the exponential moving average of the weights in stage 2, which training
            never uses: early termination may compare by it.
    """

    prior: str = _choice("gaussian", legal=("gaussian", "mog"))
    beta_neg: float = _bounded(1.0, low=0.0)
    r_entropy: float = _bounded(0.0, low=0.0)
    intro_prior: bool = False
    warmup_iterations: int = _bounded(2_000, low=0)
    handover_iterations: int = _bounded(100, low=0)
    alpha: float = _bounded(2.0, above=0.0)
    gamma: float = _bounded(1.0, low=0.0)
    gamma_r: float = _bounded(1e-8, low=0.0)
    clip_sharpness: float = _bounded(10.0, low=0.0)
    average_decay: float = _bounded(0.999, low=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.intro_prior and self.prior == "gaussian":
            raise ConfigError(
                "an introspective prior needs a prior with parameters, not a gaussian one",
                key="intro_prior",
                hint="set prior: mog, or intro_prior: false",
            )
        if self.r_entropy > 0 and self.components == 1:
            raise ConfigError(
                "one component has no responsibilities to regularise",
                key="r_entropy",
                hint="set prior: mog with components of at least 2",
            )
        if self.handover_iterations > self.warmup_iterations and self.prior == "mog":
            raise ConfigError(
                f"{self.handover_iterations} is longer than the warm-up of "
                f"{self.warmup_iterations} iterations",
                key="handover_iterations",
            )
        if self.average_decay >= 1:
            raise ConfigError(f"must be below 1, not {self.average_decay}", key="average_decay")
        if self.warmup_iterations > self.iterations:
            raise ConfigError(
                f"{self.warmup_iterations} is longer than iterations: {self.iterations}",
                key="warmup_iterations",
            )

    @property
    def warmup_end(self) -> int:
        return self.warmup_iterations


def resolve_settings(trainer: str, parameters: Mapping[str, Any]) -> VAESettings:
    """Validate plain values into a trainer's settings, with every default filled in.

    Args:
        trainer: a name in the trainer registry.
        parameters: plain YAML values by setting name.

    Returns:
        The trainer's frozen settings.

    Raises:
        ConfigError: unknown trainer or key, wrong type, value out of range, or settings that
            contradict each other. Its `key` is the setting's name.
    """
    if trainer not in TRAINERS:
        raise ConfigError(
            f"unknown trainer {trainer!r}", key="trainer", hint=nearest_hint(trainer, TRAINERS)
        )
    cls = load(TRAINERS[trainer].settings)
    types = _field_types(cls)
    for key in parameters:
        if key not in types:
            raise ConfigError(
                f"trainer {trainer!r} has no setting {key!r}",
                key=str(key),
                hint=nearest_hint(key, types),
            )
    settings: VAESettings = cls(**{k: _coerce(k, v, types[k]) for k, v in parameters.items()})
    return settings


def settings_to_dict(settings: VAESettings) -> dict[str, Any]:
    """All settings as plain JSON values (tuples become lists)."""
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@functools.cache
def _field_types(cls: type[VAESettings]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _coerce(key: str, value: Any, annotation: Any) -> Any:
    """`value` as the annotated type: int -> float is fine, anything lossy is an error."""
    wrong = ConfigError(f"must be {_type_words(annotation)}, not {value!r}", key=key)
    if annotation is bool:
        if not isinstance(value, bool):
            raise wrong
        return value
    if annotation in (int, int | None):
        if value is None and annotation is not int:
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong
        return value
    if annotation is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong
        if not math.isfinite(value):
            raise wrong
        return float(value)
    if annotation == tuple[int, ...]:
        if not isinstance(value, list | tuple):
            raise wrong
        return tuple(_coerce(key, item, int) for item in value)
    if not isinstance(value, str):
        raise wrong
    return value


def _type_words(annotation: Any) -> str:
    words = {
        bool: "true or false",
        int: "a whole number",
        int | None: "a whole number",
        float: "a finite number",
        str: "a word",
        tuple[int, ...]: "a list of whole numbers",
    }
    return words[annotation]


def _check_bounds(f: dataclasses.Field[Any], value: Any) -> None:
    low, above = f.metadata.get("low", -math.inf), f.metadata.get("above", -math.inf)
    if isinstance(value, int | float) and value < low:
        raise ConfigError(f"must be at least {low:g}, not {value:g}", key=f.name)
    if isinstance(value, int | float) and value <= above:
        raise ConfigError(f"must be greater than {above:g}, not {value:g}", key=f.name)
    legal = f.metadata.get("legal")
    if legal and value not in legal:
        raise ConfigError(
            f"unknown {f.name} {value!r}", key=f.name, hint=nearest_hint(value, legal)
        )
