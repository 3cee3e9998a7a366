"""The search space of each group, and the points in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from introsearch.errors import ConfigError
from introsearch.study.model import Study
from introsearch.study.parameters import Parameter, dependency_order, label

MAX_CONFIGURATIONS = 100_000


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
        parameters = _parameters_of(study, variant)
        try:
            order = dependency_order(parameters)
        except ConfigError as error:
            raise in_file(study, variant, error) from None
        first = _closure(study, variant, parameters)
        rest = [name for name in order if name not in first]
        fixed_order = [name for name in order if name in first]
        for fixed in _product(study, variant, parameters, fixed_order, [{}]):
            words = [variant if k == "variant" else label(fixed[k]) for k in study.groups]
            group = " / ".join(words)
            cells.setdefault(group, []).append(Space(variant, parameters, rest, fixed))
            ranks[group] = tuple(
                index.setdefault(word, len(index)) for index, word in zip(seen, words, strict=True)
            )
    return {group: cells[group] for group in sorted(cells, key=lambda group: ranks[group])}


def _parameters_of(study: Study, variant: str) -> dict[str, Parameter]:
    merged = {**study.parameters, **study.variants[variant].parameters}
    return {name: parameter for name, parameter in merged.items() if parameter is not None}


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
    """All points of a group (grid), or as many as the budget allows (random)."""
    if study.method == "grid":
        for space in spaces:
            for values in _product(
                study, space.variant, space.parameters, space.order, [space.fixed]
            ):
                yield space, values
        return
    for i in range(study.budget.max_trials or 0):
        # A generator per draw: a larger budget adds configurations and keeps the earlier ones.
        rng = random.Random(f"{study.seed}/{group}/{i}")
        space = spaces[0] if len(spaces) == 1 else rng.choice(spaces)
        values = dict(space.fixed)
        for name in space.order:
            try:
                values[name] = space.parameters[name].sample(rng, values)
            except ConfigError as error:
                raise in_file(study, space.variant, error, name) from None
        yield space, values


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
            raise in_file(study, variant, error, name) from None
        if len(points) > MAX_CONFIGURATIONS:
            raise ConfigError(
                f"the grid of variant {variant!r} has more than {MAX_CONFIGURATIONS:,} points",
                key="parameters",
                hint="list fewer values, or use method: random",
            )
    return points


def in_file(
    study: Study, variant: str, error: ConfigError, name: str = "", *, detail: str = ""
) -> ConfigError:
    """The same error under the key where the study file defines the parameter."""
    name = name or error.key
    own = study.variants[variant].parameters.get(name) is not None
    key = f"variants.{variant}.{name}" if own else f"parameters.{name}"
    hint = error.hint
    if not own and name in study.parameters and "has no setting" in error.message:
        hint = f"{hint}. To keep it for the others: variants.{variant}.{name}: null"
    return ConfigError(f"{error.message}{detail}", key=key, hint=hint)
