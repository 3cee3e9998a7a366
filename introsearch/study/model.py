"""The words of a study: what is searched, how it is judged, and what it expands into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import is_path, metrics_for
from introsearch.registry import METRICS
from introsearch.settings.base import settings_class
from introsearch.settings.fields import bounded, choice, registered
from introsearch.study.parameters import Parameter

Stage = Literal["select", "report"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A number that says how good a trial is.

    Attributes:
        name: a registered metric, or the dotted path of one of your own.
        goal: ``minimize`` or ``maximize``; known of registered metrics.
    """

    name: str = registered(kind="metric")
    goal: str = choice(legal=("minimize", "maximize"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seeds:
    """Seeds of the two stages; shared ones make reported numbers optimistic.

    Attributes:
        select: seeds of the trials among which each group's winner is found.
        report: seeds of the winners' trials, whose mean and std are printed.
        reuse_seeds: allow the same seed in both.
    """

    select: tuple[int, ...] = bounded(low=0)
    report: tuple[int, ...] = bounded(low=0)
    reuse_seeds: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlyTermination:
    """Asynchronous successive halving within each group, by training iterations or by epochs.

    Attributes:
        type: ``asha``.
        min_iter: the first rung, in iterations.
        max_iter: no rung at or after this iteration.
        min_epochs: the first rung in epochs of images, instead of iterations.
        max_epochs: no rung at or after this epoch.
        eta: one in `eta` trials is kept at each rung; the next rung is `eta` times later.
        averaged: compare the metric of averaged weights, which is steadier while the learning rate
            is high. Tables report the weights themselves all the same.
        min_active_units: a trial with fewer active units in some latent ranks last at a rung, like
            one whose metric is not finite.
    """

    type: str = choice("asha", legal=("asha",))
    min_iter: int | None = bounded(None, low=1)
    max_iter: int | None = bounded(None, low=1)
    min_epochs: int | None = bounded(None, low=1)
    max_epochs: int | None = bounded(None, low=1)
    eta: int = bounded(3, low=2)
    averaged: bool = False
    min_active_units: int | None = bounded(None, low=1)

    @property
    def keys(self) -> tuple[str, str]:
        """Which two settings say where rungs are."""
        return ("min_iter", "max_iter") if self.min_epochs is None else ("min_epochs", "max_epochs")

    @property
    def unit(self) -> str:
        """What rungs are counted in: ``iterations`` or ``epochs``."""
        return "iterations" if self.min_epochs is None else "epochs"

    @property
    def rungs(self) -> tuple[int, ...]:
        """In their unit: first * eta**k, strictly below the last."""
        rung, last = (getattr(self, key) for key in self.keys)
        rungs: list[int] = []
        while rung < last:
            rungs.append(rung)
            rung *= self.eta
        return tuple(rungs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tpe:
    """How the tree-structured Parzen estimator suggests configurations, within each group.

    Attributes:
        num_startup: results to wait for before suggestions are more than random.
        num_parallel: suggestions at work at a time: each knows the results of all before it but
            the last num_parallel - 1. More keep more workers busy, fewer know more.
    """

    num_startup: int = bounded(10, low=1)
    num_parallel: int = bounded(4, low=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Limits of a study; None is no limit.

    Attributes:
        max_trials: configurations per group; random and tpe need it.
        max_concurrent_trials: trials running at the same time.
        max_hours: wall time of one `run` command, in hours.
        max_failed_trials: crashed trials after which the study stops.
        max_restarts: attempts to continue one crashed trial.
    """

    max_trials: int | None = bounded(None, low=1)
    max_concurrent_trials: int | None = bounded(None, low=1)
    max_hours: float | None = bounded(None, above=0)
    max_failed_trials: int | None = bounded(None, low=0)
    max_restarts: int = bounded(2, low=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What one trial occupies; fractions share a device.

    Attributes:
        cpus: CPU cores.
        gpus: GPUs.
    """

    cpus: float = bounded(1, above=0)
    gpus: float = bounded(0.0, low=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A column of the table: what differs from the common parameters.

    Attributes:
        parameters: added or replacing parameters; None removes an inherited one.
        trainer: another trainer than the study's.
    """

    parameters: Mapping[str, Parameter | None] = field(default_factory=dict)
    trainer: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """One point of the search space.

    Attributes:
        id: its identity, 12 hex digits of trainer and settings.
        trainer: a registered trainer, or a dotted path.
        settings: every setting of the trainer as plain JSON, defaults filled in.
        groups: labels of all groups in which it competes.
        variants: names of all variants that it is an instance of.
        epoch_length: iterations of an epoch; None where there are none.
    """

    id: str
    trainer: str
    settings: dict[str, Any]
    groups: tuple[str, ...]
    variants: tuple[str, ...]
    epoch_length: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One configuration trained with one seed.

    Attributes:
        configuration: what is trained.
        seed: its seed.
        stage: ``select`` or ``report``.
    """

    configuration: Configuration
    seed: int
    stage: Stage

    @property
    def name(self) -> str:
        """The same in every run of every study: identity and seed."""
        return trial_name(self.configuration.id, self.seed)


def trial_name(configuration_id: str, seed: int) -> str:
    """Name of a trial, e.g. ``0123456789ab-s0``."""
    return f"{configuration_id}-s{seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A validated study file.

    Attributes:
        name: names the directory and the experiment; letters, digits, ``.``, ``_`` and ``-``.
        description: what it asks, in your own words; its report begins with them.
        trainer: the trainer of all variants that name no other.
        method: ``grid``, ``random`` or ``tpe``.
        metric: what trials are compared by.
        metrics: of your own, reported beside the registered ones and `metric`.
        groups: parameters (or ``variant``) whose values separate the groups.
        seeds: seeds of both stages.
        parameters: common parameters by name.
        variants: variants by name; at least one.
        early_terminate: early stopping in the select stage, or None.
        tpe: how ``tpe`` suggests; None for other methods.
        budget: limits.
        resources: of one trial.
        evaluate_every: training iterations between evaluations.
        evaluate_every_epochs: the same in epochs of images, instead of iterations.
        seed: of sampling and of the order within groups, not of training.
        file: where the study was read from; not part of its value.
        module_folders: where the modules of dotted paths are searched after all that Python
            searches: the study file's folder and the current one. Not part of its value.
    """

    name: str
    description: str = ""
    trainer: str = registered(kind="trainer")
    method: str = choice("grid", legal=("grid", "random", "tpe"))
    metric: Metric
    metrics: tuple[Metric, ...] = ()
    groups: tuple[str, ...]
    seeds: Seeds
    parameters: Mapping[str, Parameter]
    variants: Mapping[str, Variant]
    early_terminate: EarlyTermination | None
    tpe: Tpe | None = None
    budget: Budget
    resources: Resources
    evaluate_every: int | None = bounded(1000, low=1)
    evaluate_every_epochs: int | None = bounded(None, low=1)
    seed: int = bounded(0, low=0)
    file: str = field(default="", compare=False)
    module_folders: tuple[str, ...] = field(default=(), compare=False)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict()))

    @property
    def compared_metric(self) -> str:
        """The recorded metric that rungs compare."""
        early, name = self.early_terminate, self.metric.name
        return f"averaged/{name}" if early is not None and early.averaged else name

    @property
    def metric_goals(self) -> dict[str, str]:
        """The goal of every metric that is computed, by name: one's own first, then registered.

        It is empty for a registered metric of which no value is better than another, unless it is
        what trials are compared by.
        """
        own = {m.name: m.goal for m in (self.metric, *self.metrics) if is_path(m.name)}
        applicable = {
            name
            for trainer, dataset in self._trained_on()
            for name in metrics_for(trainer, {"dataset": dataset})
        }
        known = {name: m.goal for name, m in METRICS.items() if name in applicable}
        if self.metric.name in known:
            known[self.metric.name] = self.metric.goal
        return own | known

    def _trained_on(self) -> set[tuple[str, str | None]]:
        """Trainers and data sets of all variants; None is for trainers without such a setting."""
        pairs: set[tuple[str, str | None]] = set()
        for variant in self.variants.values():
            trainer = variant.trainer or self.trainer
            parameter = {**self.parameters, **variant.parameters}.get("dataset")
            if parameter is None:
                pairs.add((trainer, getattr(settings_class(trainer), "dataset", None)))
            else:
                datasets = (*parameter.values, *parameter.table.values())
                pairs.update((trainer, dataset) for dataset in datasets)
        return pairs

    def to_dict(self) -> dict[str, Any]:
        """The study in the words of a study file: dumped and loaded again, an equal study."""
        data: dict[str, Any] = {
            "name": self.name,
            "trainer": self.trainer,
            "method": self.method,
            "metric": asdict(self.metric),
            "groups": list(self.groups),
            "seeds": {k: list(v) if isinstance(v, tuple) else v for k, v in _items(self.seeds)},
            "parameters": {k: v.to_spec() for k, v in self.parameters.items()},
            "variants": {k: _variant_spec(v) for k, v in self.variants.items()},
            "budget": {k: v for k, v in _items(self.budget) if v is not None},
            "resources": asdict(self.resources),
            "seed": self.seed,
        }
        if self.description:
            data["description"] = self.description
        for name in ("evaluate_every", "evaluate_every_epochs"):
            if getattr(self, name) is not None:
                data[name] = getattr(self, name)
        if self.metrics:
            data["metrics"] = [asdict(metric) for metric in self.metrics]
        if self.early_terminate is not None:
            early = _items(self.early_terminate)
            data["early_terminate"] = {k: v for k, v in early if v is not None}
        if self.tpe is not None:
            data["tpe"] = asdict(self.tpe)
        return data


def _items(config: Any) -> list[tuple[str, Any]]:
    return list(asdict(config).items())


def _variant_spec(variant: Variant) -> dict[str, Any]:
    spec = {k: None if v is None else v.to_spec() for k, v in variant.parameters.items()}
    return spec if variant.trainer is None else {"trainer": variant.trainer, **spec}


_SIGNS = {"minimize": 1.0, "maximize": -1.0, "": 0.0}


def sign_of(goal: str) -> float:
    """What to multiply a metric by so that lower is better: 1 to minimize, -1 to maximize.

    It is 0 for a metric without a goal, of which no value is better than another.

    Raises:
        ConfigError: `goal` is neither ``minimize`` nor ``maximize``, nor empty.
    """
    if goal not in _SIGNS:
        hint = nearest_hint(goal, ("minimize", "maximize"))
        raise ConfigError(f"unknown goal {goal!r}", hint=hint)
    return _SIGNS[goal]
