"""The search space of each group, and the points in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from introsearch.errors import ConfigError
from introsearch.study.group_label import group_label
from introsearch.study.model import Study
from introsearch.study.parameters import Parameter, dependency_order, label
from introsearch.study.space import SearchSpace

_MAX_CONFIGURATIONS = 100_000


class Space(NamedTuple):
    """What remains to be chosen in a group, for one variant."""

    variant: str
    parameters: dict[str, Parameter]
    order: list[str]
    fixed: dict[str, Any]


def group_spaces(study: Study) -> dict[str, list[Space]]:
    """The search space of each group, groups in the order of the file."""
    cells: dict[str, list[Space]] = {}
    ranks: dict[str, tuple[int, ...]] = {}
    seen: list[dict[str, int]] = [{} for _ in study.groups]
    for variant in study.variants:
        parameters = study.parameters_of(variant)
        try:
            order = dependency_order(parameters)
        except ConfigError as error:
            raise in_file(study, variant, error) from None
        first = _closure(study, variant, parameters)
        rest = [name for name in order if name not in first]
        fixed_order = [name for name in order if name in first]
        for fixed in _product(study, variant, parameters, fixed_order, [{}]):
            words = [variant if k == "variant" else label(fixed[k]) for k in study.groups]
            group = group_label(words)
            cells.setdefault(group, []).append(Space(variant, parameters, rest, fixed))
            ranks[group] = tuple(
                index.setdefault(word, len(index)) for index, word in zip(seen, words, strict=True)
            )
    return {group: cells[group] for group in sorted(cells, key=lambda group: ranks[group])}


def _closure(study: Study, variant: str, parameters: Mapping[str, Parameter]) -> set[str]:
    """The parameters that tell groups apart, and all that they are derived from."""
    names: set[str] = set()
    for key in study.groups:
        current = None if key == "variant" else key
        while current is not None:
            if parameters[current].distribution is not None:
                raise ConfigError(
                    f"{current!r} is drawn from a distribution and cannot separate groups",
                    key="groups",
                    hint="give it values, or remove it from groups",
                )
            names.add(current)
            current = parameters[current].reference
    return names


def candidates(
    study: Study, group: str, spaces: Sequence[Space]
) -> Iterator[tuple[Space, dict[str, Any]]]:
    """All points of a group (grid), or as many at random as the budget allows."""
    if study.method == "grid":
        for space in spaces:
            for values in _product(
                study, space.variant, space.parameters, space.order, [space.fixed]
            ):
                yield space, values
        return
    num_draws = study.budget.max_trials or 0
    if num_draws > _MAX_CONFIGURATIONS:
        raise ConfigError(
            f"must be at most {_MAX_CONFIGURATIONS:,}, not {num_draws:,}",
            key="budget.max_trials",
            hint="it is the number of configurations per group",
        )
    for i in range(num_draws):
        # A generator per draw: a larger budget adds configurations and keeps the earlier ones.
        rng = random.Random(f"{study.seed}/{group}/{i}")
        space = spaces[0] if len(spaces) == 1 else rng.choice(spaces)
        yield space, draw(study, space, rng)


def draw(study: Study, space: Space, rng: random.Random) -> dict[str, Any]:
    """A random point of a space."""
    values = dict(space.fixed)
    for name in space.order:
        try:
            values[name] = space.parameters[name].sample(rng, values)
        except ConfigError as error:
            raise in_file(study, space.variant, error, name=name) from None
    return values


def _product(
    study: Study,
    variant: str,
    parameters: Mapping[str, Parameter],
    order: Sequence[str],
    start: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Every combination of the parameters in `order` with the assignments in `start`."""
    points = start
    for name in order:
        try:
            points = [
                {**point, name: value}
                for point in points
                for value in parameters[name].choices(point)
            ]
        except ConfigError as error:
            raise in_file(study, variant, error, name=name) from None
        if len(points) > _MAX_CONFIGURATIONS:
            raise ConfigError(
                f"the grid of variant {variant!r} has more than {_MAX_CONFIGURATIONS:,} points",
                key="parameters",
                hint="list fewer values, or use method: random",
            )
    return points


def in_file(
    space: SearchSpace,
    variant: str,
    error: ConfigError,
    *,
    name: str = "",
    at: str = "",
    values: Mapping[str, Any] | None = None,
) -> ConfigError:
    """The same error under the key where the study file defines the offending parameter.

    Args:
        space: what is searched.
        variant: the variant in which it occurs.
        error: the error; its `key` is the parameter unless `name` is given.
        name: the parameter.
        at: where, below the parameter's key, the offending candidate stands.
        values: the point of the space, to tell which of several values is wrong.
    """
    return ConfigError.of(
        _in_file(space, variant, each, name=name, at=at, values=values) for each in error.all
    )


def _in_file(
    space: SearchSpace,
    variant: str,
    error: ConfigError,
    *,
    name: str,
    at: str,
    values: Mapping[str, Any] | None,
) -> ConfigError:
    name = name or error.key.partition(".")[0]
    item = error.key.removeprefix(name) if error.key.startswith(f"{name}.") else ""
    own = space.variants[variant].parameters.get(name) is not None
    key = f"variants.{variant}.{name}" if own else f"parameters.{name}".rstrip(".")
    parameters = space.parameters_of(variant)
    change = f"change {name} here" if name in parameters else f"a default: add {name}: ... here"
    hint = error.hint or (change if name else "change the settings that it is about")
    trainers = {space.trainer_of(other) for other in space.variants}
    differs = values is not None or len(trainers) > 1  # what is wrong in one may be right in others
    if not own and name in space.parameters and differs:
        hint += f"; for this variant only: variants.{variant}.{name}: ... (null removes it)"
    message = error.message
    if values is not None:
        varied = [n for n, p in parameters.items() if len(p.values) != 1]
        point = ", ".join([f"variant: {variant}"] + [f"{n}: {values[n]}" for n in varied])
        message += f" ({point})"
        if name in parameters:
            at = parameters[name].place_of(name, values)
    return ConfigError(message, key=f"{key}{at}{item}", hint=hint)
