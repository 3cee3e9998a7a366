"""The sections of a study file: how trials are judged and stopped, and what they may use."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from introsearch.errors import ConfigError
from introsearch.extensions import is_path
from introsearch.registry import METRICS, is_timing
from introsearch.settings.model import Many, Number, Section, Whole, registered


def _as_written(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    check(value)
    return value


# 1 stays 1, not 1.0, as recorded studies have it, whose fingerprints are compared.
_Amount = Annotated[Number, WrapValidator(_as_written), PlainSerializer(lambda value: value)]


class Metric(Section):
    """A number that says how good a trial is."""

    name: Annotated[str, *registered("metric")] = Field(
        description="a registered metric, or the dotted path of one of your own",
        examples=["hist_kl_paper"],
    )
    goal: Literal["minimize", "maximize"] = Field(
        description="minimize or maximize; known of registered metrics", examples=["minimize"]
    )

    @model_validator(mode="before")
    @classmethod
    def _known_goal(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("goal") is not None:
            return data
        name = data.get("name")
        if not isinstance(name, str) or (name not in METRICS and not is_path(name)):
            return {**data, "goal": "minimize"}  # the name is refused, and that is enough
        known = "" if is_path(name) else METRICS[name].goal
        return {**data, "goal": known} if known else data

    def contradictions(self) -> Iterator[ConfigError]:
        if is_timing(self.name):
            yield ConfigError(
                f"{self.name} is a wall time: what it chose would not be chosen again",
                key="name",
                hint="another metric; wall times are recorded beside it",
            )
        known = "" if is_path(self.name) else METRICS[self.name].goal
        if known not in ("", self.goal):
            message = f"{self.goal} contradicts what {self.name} means"
            yield ConfigError(message, key="goal", hint=f"goal: {known}, or leave it out")


def _different(numbers: tuple[int, ...]) -> tuple[int, ...]:
    for i, number in enumerate(numbers):
        if number in numbers[:i]:
            raise ConfigError(f"{number} is listed twice", key=str(i), hint="keep one")
    return numbers


_SeedList = Annotated[Many[Annotated[Whole, Field(ge=0)]], AfterValidator(_different)]


class Seeds(Section):
    """Seeds of the two stages; shared ones make reported numbers optimistic."""

    select: _SeedList = Field(
        description="seeds of the trials among which each group's winner is found", examples=["[0]"]
    )
    report: _SeedList = Field(
        min_length=1,
        description="seeds of the winners' trials, whose mean and std are printed",
        examples=["[1, 2, 3, 4, 5]"],
    )
    reuse_seeds: bool = Field(False, description="allow the same seed in both")

    def contradictions(self) -> Iterator[ConfigError]:
        shared = sorted(set(self.select) & set(self.report))
        if shared and not self.reuse_seeds:
            yield ConfigError(
                f"seeds {shared} select the winners, so reporting them is optimistic",
                key="report",
                hint="use other seeds, or set reuse_seeds: true",
            )


class EarlyTermination(Section):
    """Asynchronous successive halving within each group, by training iterations or by epochs."""

    type: Literal["asha"] = Field("asha", description="asha")
    min_iter: Whole | None = Field(None, ge=1, description="the first rung, in iterations")
    max_iter: Whole | None = Field(None, ge=1, description="no rung at or after this iteration")
    min_epochs: Whole | None = Field(
        None, ge=1, description="the first rung in epochs of images, instead of iterations"
    )
    max_epochs: Whole | None = Field(None, ge=1, description="no rung at or after this epoch")
    eta: Whole = Field(
        3,
        ge=2,
        description="one in eta trials is kept at each rung; the next rung is eta times later",
    )
    averaged: bool = Field(
        False,
        description="compare the metric of averaged weights, which is steadier while the learning "
        "rate is high. Tables report the weights themselves all the same",
    )
    min_active_units: Whole | None = Field(
        None,
        ge=1,
        description="a trial with fewer active units in some latent ranks last at a rung, like one "
        "whose metric is not finite",
    )

    def contradictions(self) -> Iterator[ConfigError]:
        lacking = [key for key in self.rung_keys if getattr(self, key) is None]
        for key in lacking:
            hint = f"add {key}: ... to early_terminate, or give both in epochs or in iterations"
            yield ConfigError(f"the key {key!r} is missing", key=key, hint=hint)
        for key in ("min_iter", "max_iter", "max_epochs"):
            if key not in self.rung_keys and getattr(self, key) is not None:
                hint = "give both in epochs or in iterations"
                yield ConfigError(f"is given beside {self.rung_keys[0]}", key=key, hint=hint)
        if lacking:
            return
        first, last = (getattr(self, key) for key in self.rung_keys)
        if first >= last:
            yield ConfigError(
                f"{first:,} is not below {self.rung_keys[1]}: {last:,}",
                key=self.rung_keys[0],
                hint=f"{self.rung_keys[1]} is a full trial's length, {self.rung_keys[0]} its first "
                "comparison",
            )

    @property
    def rung_keys(self) -> tuple[str, str]:
        """Which two settings say where rungs are."""
        return ("min_iter", "max_iter") if self.min_epochs is None else ("min_epochs", "max_epochs")

    @property
    def unit(self) -> str:
        """What rungs are counted in: ``iterations`` or ``epochs``."""
        return "iterations" if self.min_epochs is None else "epochs"

    @property
    def rungs(self) -> tuple[int, ...]:
        """In their unit: first * eta**k, strictly below the last."""
        rung, last = (getattr(self, key) for key in self.rung_keys)
        rungs: list[int] = []
        while rung < last:
            rungs.append(rung)
            rung *= self.eta
        return tuple(rungs)


class Tpe(Section):
    """How the tree-structured Parzen estimator suggests configurations, within each group."""

    num_startup: Whole = Field(
        10, ge=1, description="results to wait for before suggestions are more than random"
    )
    num_parallel: Whole = Field(
        4,
        ge=1,
        description="suggestions at work at a time: each knows the results of all before it but "
        "the last num_parallel - 1. More keep more workers busy, fewer know more",
    )


class Budget(Section):
    """Limits of a study; without one of them there is no such limit."""

    max_trials: Whole | None = Field(
        None, ge=1, description="configurations per group; random and tpe need it"
    )
    max_concurrent_trials: Whole | None = Field(
        None, ge=1, description="trials running at the same time"
    )
    max_hours: _Amount | None = Field(
        None, gt=0, description="wall time of one `run` command, in hours"
    )
    max_failed_trials: Whole | None = Field(
        None, ge=0, description="crashed trials after which the study stops"
    )
    max_restarts: Whole = Field(2, ge=0, description="attempts to continue one crashed trial")


class Resources(Section):
    """What one trial occupies; fractions share a device."""

    cpus: _Amount = Field(1, gt=0, description="CPU cores")
    gpus: _Amount = Field(0.0, ge=0, description="GPUs")
