"""One entry of `parameters`: the values it may take, alone or derived from another parameter."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from introsearch.errors import ConfigError, nearest_hint

Distribution = Literal["uniform", "log_uniform", "int_uniform"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """The candidates of one parameter. Exactly one of values, distribution and `by` is given.

    Attributes:
        values: candidates, tried one by one (a constant has a single one).
        distribution: name of the distribution that candidates are drawn from.
        min: its lower bound, in value space.
        max: its upper bound, in value space.
        times: name of a parameter that every candidate is multiplied with.
        by: name of a parameter whose value looks this one up.
        table: from each value of that parameter to this one's.
    """

    values: tuple[Any, ...] = ()
    distribution: Distribution | None = None
    min: float = 0.0
    max: float = 0.0
    times: str | None = None
    by: str | None = None
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str | None:
        """Name of the parameter that this one is derived from."""
        return self.times or self.by

    def candidates(self, others: Mapping[str, Parameter]) -> list[tuple[str, Any]]:
        """What can be a setting's value as it stands there, and where below the parameter's key.

        Args:
            others: all parameters by name. Of a table, only what these look up is a candidate.
        """
        if self.times is not None:
            return []
        if self.by is not None:
            other = others.get(self.by, Parameter())
            looked_up = {label(value) for _, value in other.candidates(others)}
            rows = self.table.items()
            return [(f".values.{name}", value) for name, value in rows if name in looked_up]
        if len(self.values) == 1:
            return [("", self.values[0])]
        return [(f".values.{i}", value) for i, value in enumerate(self.values)]

    def choices(self, assigned: Mapping[str, Any]) -> list[Any]:
        """All candidates, given the values of the parameters that come before this one.

        Raises:
            ConfigError: no table entry for that value, or a product with what is not a number.
        """
        if self.by is not None:
            return [self._look_up(assigned[self.by])]
        return [self._scale(value, assigned) for value in self.values]

    def sample(self, rng: random.Random, assigned: Mapping[str, Any]) -> Any:
        """One candidate at random; draws from `rng` once unless there is no choice.

        Raises:
            ConfigError: as for `choices`.
        """
        if self.distribution is not None:
            return self._scale(self._draw(rng), assigned)
        choices = self.choices(assigned)
        return choices[0] if len(choices) == 1 else rng.choice(choices)

    def derive(self, chosen: Any, assigned: Mapping[str, Any]) -> Any:
        """The value that follows from one of `values`, or a number within the bounds.

        Raises:
            ConfigError: as for `choices`.
        """
        if self.by is not None:
            return self._look_up(assigned[self.by])
        return self._scale(chosen, assigned)

    def accepts(self, chosen: Any) -> bool:
        """Whether `chosen` is one of `values`, or a number within the bounds."""
        if self.distribution is None:
            return any(type(chosen) is type(value) and chosen == value for value in self.values)
        wanted = int if self.distribution == "int_uniform" else float
        return type(chosen) is wanted and self.min <= chosen <= self.max

    def rounded(self, value: float) -> float:
        """A number from the distribution, to 12 significant digits and within the bounds."""
        return min(max(_round_12(value), self.min), self.max)

    def to_spec(self) -> Any:
        """This parameter as it is written in a study file."""
        if self.by is not None:
            return {"by": self.by, "values": dict(self.table)}
        spec: dict[str, Any] = {} if self.times is None else {"times": self.times}
        if self.distribution is not None:
            return spec | {"distribution": self.distribution, "min": self.min, "max": self.max}
        if self.times is None and len(self.values) == 1:
            return self.values[0]
        return spec | {"values": list(self.values)}

    def place_of(self, name: str, assigned: Mapping[str, Any]) -> str:
        """Where, below its own key, the candidate stands that was assigned; empty if unclear."""
        if self.by is not None:
            return f".values.{label(assigned[self.by])}"
        if self.times is None and len(self.values) > 1 and assigned[name] in self.values:
            return f".values.{self.values.index(assigned[name])}"
        return ""

    def _look_up(self, value: Any) -> Any:
        if label(value) not in self.table:
            raise ConfigError(
                f"has no value for {self.by}: {label(value)}",
                hint=nearest_hint(label(value), self.table),
            )
        return self.table[label(value)]

    def _scale(self, value: Any, assigned: Mapping[str, Any]) -> Any:
        if self.times is None:
            return value
        factor = assigned[self.times]
        for number in (value, factor):
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise ConfigError(
                    f"cannot multiply {label(value)} with {self.times}: {label(factor)}",
                    hint=f"to try each: {self.times}: {{values: {label(factor)}}}"
                    if isinstance(factor, list)
                    else "times needs numbers on both sides",
                )
        return _round_12(value * factor)

    def _draw(self, rng: random.Random) -> float:
        if self.distribution == "int_uniform":
            return rng.randint(int(self.min), int(self.max))
        if self.distribution == "log_uniform":
            value = math.exp(rng.uniform(math.log(self.min), math.log(self.max)))
        else:
            value = rng.uniform(self.min, self.max)
        return self.rounded(value)


def _round_12(value: float) -> float:
    """`value` to 12 significant digits, so that 0.3 * 3 is 0.9; whole numbers stay as they are."""
    return value if isinstance(value, int) else float(f"{value:.12g}")


def label(value: Any) -> str:
    """A parameter's value in words: as a table key, and as part of a group's name."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.12g}"
    return json.dumps(value)


def dependency_order(parameters: Mapping[str, Parameter]) -> list[str]:
    """Parameter names, each after the one it is derived from, otherwise in file order.

    Raises:
        ConfigError: a derived parameter names an unknown one, or (chains of them) itself.
            Its `key` is the parameter's name.
    """
    done: dict[str, None] = {}
    for name in parameters:
        chain: list[str] = []
        current: str | None = name
        while current is not None and current not in done:
            if current in chain:
                circle = " -> ".join([*chain[chain.index(current) :], current])
                raise ConfigError(
                    f"is derived from itself: {circle}",
                    key=current,
                    hint="give one of them values of its own",
                )
            chain.append(current)
            reference = parameters[current].reference
            if reference is not None and reference not in parameters:
                others = set(parameters) - {current}
                raise ConfigError(
                    f"refers to {reference!r}, which is not a parameter here",
                    key=current,
                    hint=nearest_hint(reference, others),
                )
            current = reference
        done.update(dict.fromkeys(reversed(chain)))
    return list(done)
