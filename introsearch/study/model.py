"""A study, and what it expands into: configurations, and their trials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, field_validator

from introsearch.editions import CURRENT
from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import is_path, metrics_for, misfit
from introsearch.registry import METRICS, is_asked, is_costly
from introsearch.settings.base import settings_class, written_fields
from introsearch.settings.model import Many, Whole
from introsearch.study.sections import Budget, EarlyTermination, Metric, Resources, Seeds, Tpe
from introsearch.study.space import SearchSpace, named

Stage = Literal["select", "report"]
STUDY_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
STUDY_NAME_HINT = "letters, digits, '.', '_' and '-', the first a letter or digit, at most 100"
_EVALUATE_EVERY = 1_000  # iterations
_MAX_SUGGESTIONS = 1_000  # each costs more time than the one before it


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


class Study(SearchSpace):
    """A validated study file."""

    name: Annotated[str, named(STUDY_NAME, "study", hint=STUDY_NAME_HINT)] = Field(
        description="names the directory and the experiment; letters, digits, '.', '_' and '-' "
        "(the file's name)"
    )
    description: Annotated[str, AfterValidator(str.strip)] = Field(
        "",
        description="what it asks, in your own words; its report begins with them",
        examples=["Does a learned prior help on the rings?"],
    )
    method: Literal["grid", "random", "tpe"] = Field(
        "grid", description="how configurations are found: grid, random or tpe"
    )
    metric: Metric = Field(
        description="what trials are compared by",
        examples=["{name: hist_kl_paper, goal: minimize}"],
    )
    metrics: Many[Metric] = Field(
        (),
        description="reported beside `metric` and the registered ones: of your own, or registered "
        "ones that are computed for whoever asks, as fid_gen_paper",
    )
    groups: Many[str] = Field(
        min_length=1,
        description="parameters (or `variant`) whose values separate the groups",
        examples=["[dataset, variant]"],
    )
    seeds: Seeds = Field(
        description="seeds of both stages", examples=["{select: [0], report: [1, 2, 3]}"]
    )
    early_terminate: EarlyTermination | None = Field(
        None, description="early stopping in the select stage"
    )
    tpe: Tpe | None = Field(
        None, validate_default=True, description="how tpe suggests", examples=["{num_startup: 20}"]
    )
    budget: Budget = Field(default_factory=Budget, description="limits")
    resources: Resources = Field(default_factory=Resources, description="of one trial")
    evaluate_every: Whole | None = Field(
        None, ge=1, description="training iterations between evaluations (1,000)"
    )
    evaluate_every_epochs: Whole | None = Field(
        None, ge=1, description="the same in epochs of images, instead of iterations"
    )
    seed: Whole = Field(
        0, ge=0, description="of sampling and of the order within groups, not of training"
    )
    _file: str = PrivateAttr("")
    _module_folders: tuple[str, ...] = PrivateAttr(())
    _edition: int = PrivateAttr(CURRENT)

    @field_validator("tpe", mode="before")
    @classmethod
    def _tpe_has_defaults(cls, tpe: Any, info: ValidationInfo) -> Any:
        if tpe not in (None, {}):
            return tpe
        return {} if info.data.get("method") == "tpe" else None

    def model_post_init(self, context: Any) -> None:
        """Note where the study comes from, and what it was begun with."""
        self._file = (context or {}).get("file", "")
        self._module_folders = (context or {}).get("module_folders", ())
        self._edition = (context or {}).get("edition", CURRENT)

    def changed(self, **values: Any) -> Self:
        """As for any model; where it comes from stays too."""
        study = super().changed(**values)
        return study._from(self, edition=self.edition)

    def of_edition(self, number: int) -> Self:
        """The same study, begun with another edition of defaults and metrics (`editions`)."""
        return super().changed()._from(self, edition=number)

    def _from(self, other: Study, *, edition: int) -> Self:
        self._file, self._module_folders = other._file, other._module_folders
        self._edition = edition
        return self

    @property
    def edition(self) -> int:
        """What its defaults and metrics mean (`editions`)."""
        return self._edition

    @property
    def file(self) -> str:
        """Where the study was read from."""
        return self._file

    @property
    def module_folders(self) -> tuple[str, ...]:
        """Where the modules of dotted paths are searched after all that Python searches.

        They are the study file's folder and the current one.
        """
        return self._module_folders

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Study) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(json.dumps(self._value()))

    def _value(self) -> list[Any]:
        return [self.to_dict(), self.edition]

    def contradictions(self) -> Iterator[ConfigError]:
        yield from self._of_method()
        yield from self._of_groups()
        yield from self._of_metrics()
        if None not in (self.evaluate_every, self.evaluate_every_epochs):
            message, hint = "is given beside evaluate_every", "keep one of them"
            yield ConfigError(message, key="evaluate_every_epochs", hint=hint)

    def _of_method(self) -> Iterator[ConfigError]:
        max_trials = self.budget.max_trials
        if self.method == "grid":
            of_variants = {f"variants.{n}": v.parameters for n, v in self.variants.items()}
            for place, parameters in {"parameters": self.parameters, **of_variants}.items():
                for name, parameter in parameters.items():
                    if parameter is not None and parameter.distribution is not None:
                        yield ConfigError(
                            "a grid has no distributions",
                            key=f"{place}.{name}.distribution",
                            hint="list values, or method: random",
                        )
        elif max_trials is None:
            yield ConfigError(
                "the key 'max_trials' is missing",
                key="budget.max_trials",
                hint=f"add max_trials: ... to budget: {self.method} needs to know when to stop",
            )
        if self.method != "tpe":
            if self.tpe is not None:
                message, hint = f"has no meaning with method: {self.method}", "set method: tpe"
                yield ConfigError(message, key="tpe", hint=f"remove it, or {hint}")
            return
        if max_trials is not None and max_trials > _MAX_SUGGESTIONS:
            yield ConfigError(
                f"must be at most {_MAX_SUGGESTIONS:,} for tpe, not {max_trials:,}",
                key="budget.max_trials",
                hint="it is the number of configurations per group; for more, use method: random",
            )
        if not self.seeds.select:
            hint = "e.g. select: [0]: tpe learns from the trials of these seeds"
            yield ConfigError("is an empty list", key="seeds.select", hint=hint)

    def _of_groups(self) -> Iterator[ConfigError]:
        merged = [self.parameters_of(variant) for variant in self.variants]
        usable = {"variant", *(k for k in merged[0] if all(k in names for names in merged))}
        for i, key in enumerate(self.groups):
            if key not in usable:
                message = f"{key!r} is not a parameter of every variant"
                yield ConfigError(message, key=f"groups.{i}", hint=nearest_hint(key, usable))
            elif key in self.groups[:i]:
                yield ConfigError(f"{key!r} is listed twice", key=f"groups.{i}", hint="keep one")

    def _of_metrics(self) -> Iterator[ConfigError]:
        if self.early_terminate is not None and is_costly(self.metric.name):
            yield ConfigError(
                f"{self.metric.name} is costly: it is computed at the end of a trial only, so that "
                "nothing could be compared on the way",
                key="early_terminate",
                hint="remove early_terminate, or search by a cheap metric",
            )
        names = [self.metric.name, *(metric.name for metric in self.metrics)]
        for i, name in enumerate(names[1:]):
            if not is_asked(name):
                asked = ", ".join(known for known in METRICS if is_asked(known))
                hint = f"metrics is for {asked} and your own, e.g. my_module:my_metric"
                message = f"{name} is reported wherever it applies"
                yield ConfigError(message, key=f"metrics.{i}.name", hint=f"remove it; {hint}")
            elif not is_path(name) and (fault := self._fault_of_metric(name)):
                yield ConfigError(f"{name} {fault}", key=f"metrics.{i}.name", hint="remove it")
            elif name in names[: i + 1]:
                message = f"{name} is listed twice"
                yield ConfigError(message, key=f"metrics.{i}.name", hint="keep one")

    def _fault_of_metric(self, name: str) -> str:
        """Why a registered metric applies to nothing that is trained; empty if it does."""
        faults = [
            misfit(name, trainer, settings={"dataset": dataset})
            for trainer, dataset in self._trained_on()
        ]
        return faults[0] if faults and all(faults) else ""

    @property
    def interval(self) -> tuple[int, Literal["iterations", "epochs"]]:
        """How often trials are evaluated: every so many iterations, or epochs."""
        if self.evaluate_every_epochs is not None:
            return self.evaluate_every_epochs, "epochs"
        return self.evaluate_every or _EVALUATE_EVERY, "iterations"

    @property
    def compared_metric(self) -> str:
        """The recorded metric that rungs compare."""
        early, name = self.early_terminate, self.metric.name
        return f"averaged/{name}" if early is not None and early.averaged else name

    @property
    def metric_goals(self) -> dict[str, str]:
        """The goal of every metric that is computed, by name: what is asked for first.

        It is empty for a registered metric of which no value is better than another, unless it is
        what trials are compared by.
        """
        asked = {m.name: m.goal for m in (self.metric, *self.metrics) if is_asked(m.name)}
        applicable = {
            name
            for trainer, dataset in self._trained_on()
            for name in metrics_for(trainer, {"dataset": dataset})
        }
        known = {name: m.goal for name, m in METRICS.items() if name in applicable}
        if self.metric.name in known:
            known[self.metric.name] = self.metric.goal
        return asked | known

    def _trained_on(self) -> set[tuple[str, str | None]]:
        """Trainers and data sets of all variants; None is for trainers without such a setting."""
        pairs: set[tuple[str, str | None]] = set()
        for variant in self.variants:
            trainer = self.trainer_of(variant)
            parameter = self.parameters_of(variant).get("dataset")
            if parameter is None:
                dataset = written_fields(settings_class(trainer)).get("dataset")
                pairs.add((trainer, None if dataset is None else dataset.default))
            else:
                datasets = (*parameter.values, *parameter.table.values())
                pairs.update((trainer, dataset) for dataset in datasets)
        return pairs

    def to_dict(self) -> dict[str, Any]:
        """The study in the words of a study file: dumped and loaded again, an equal study."""
        data = self.model_dump(mode="json", exclude_none=True, exclude={"parameters", "variants"})
        data["parameters"] = {k: v.to_spec() for k, v in self.parameters.items()}
        data["variants"] = {k: v.to_spec() for k, v in self.variants.items()}
        every, unit = self.interval
        if unit == "iterations":
            data["evaluate_every"] = every
        return {name: value for name, value in data.items() if value not in ("", [])}


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
