"""From a study to its configurations, groups and trials, in a fixed and fair order."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from introsearch.editions import CURRENT
from introsearch.errors import ConfigError
from introsearch.settings.base import changed_defaults, resolve_settings, settings_to_dict
from introsearch.study.identity import identity
from introsearch.study.model import Configuration, Stage, Study, Trial, trial_name
from introsearch.study.search.checks import check_apart, check_configuration, check_groups
from introsearch.study.search.spaces import Space, candidates, draw, group_spaces, in_file

_MAX_FAULTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """All configurations of a study.

    Attributes:
        groups: labels, e.g. ``8gaussians / ip_lc``, in the file's order.
        configurations: each once, also when it belongs to several groups.
        members: each group's configurations in the order in which they are tried: shuffled, so
            that the order of a grid favours nothing.
        duplicates: per group, how many points of its space were the same as another.
        to_suggest: per group, how many points are to be suggested yet.
    """

    groups: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    members: Mapping[str, tuple[Configuration, ...]]
    duplicates: Mapping[str, int]
    to_suggest: Mapping[str, int] = field(default_factory=dict)


class Point(NamedTuple):
    """A point of a group's space, as its trainer understands it."""

    variant: str
    trainer: str
    settings: dict[str, Any]
    epoch_length: int | None


@functools.lru_cache(maxsize=4)
def expand(study: Study) -> Expansion:
    """Every configuration of a study, validated.

    What ``tpe`` will suggest is not known before it runs: as many random points stand for it here,
    see `study.search.suggestions.expand_suggested`.

    Raises:
        ConfigError: a configuration that its trainer refuses, that early termination does not
            suit, or too many of them. Its `key` is dotted from the root of the study file.
    """
    if study.method == "tpe":
        check_apart(_samples(study))
    points: dict[str, dict[str, list[Point]]] = {}
    duplicates = {}
    faults: dict[str, ConfigError] = {}  # by key: one says as much as all points with it
    for group, spaces in group_spaces(study).items():
        by_id: dict[str, list[Point]] = {}
        total = 0
        for space, values in candidates(study, group, spaces):
            try:
                point = resolve_point(study, space, values)
            except ConfigError as error:
                faults.update({each.key: each for each in error.all if each.key not in faults})
                if len(faults) >= _MAX_FAULTS:
                    raise ConfigError.of(faults.values()) from None
                continue
            by_id.setdefault(identity(point.trainer, point.settings), []).append(point)
            total += 1
        duplicates[group] = total - len(by_id)
        points[group] = _ordered(study, group, by_id)
    if faults:
        raise ConfigError.of(faults.values())
    check_groups(study, {group: len(by_id) for group, by_id in points.items()})
    return assemble(points, duplicates)


def searched_settings(expansion: Expansion) -> list[str]:
    """Settings that take several values within some group."""
    names = dict.fromkeys(name for c in expansion.configurations for name in c.settings)
    return [
        name
        for name in names
        if any(
            len({str(c.settings.get(name)) for c in members}) > 1
            for members in expansion.members.values()
        )
    ]


def select_trials(study: Study, expansion: Expansion) -> tuple[Trial, ...]:
    """Trials of the select stage: one configuration of each group in turn, so that all advance.

    Each configuration appears once per select seed, its seeds one after the other.
    """
    depth = max(map(len, expansion.members.values()), default=0)
    turns = (
        expansion.members[group][i]
        for i in range(depth)
        for group in expansion.groups
        if i < len(expansion.members[group])
    )
    return _trials(turns, study.seeds.select, "select")


def report_trials(
    study: Study, expansion: Expansion, chosen: Mapping[str, str]
) -> tuple[Trial, ...]:
    """Trials of the report stage, each once even if it won several groups.

    Args:
        study: the study.
        expansion: its expansion.
        chosen: the winner's configuration id by group label; groups may be missing.

    Raises:
        KeyError: an unknown group, or an id that is not in its group.
    """
    winners = []
    for group, configuration_id in chosen.items():
        by_id = {c.id: c for c in expansion.members[group]}
        winners.append(by_id[configuration_id])
    return _trials(winners, study.seeds.report, "report")


def ladder_order(study: Study, expansion: Expansion, group: str) -> tuple[str, ...]:
    """Names of a group's select trials in the order in which they are compared."""
    return tuple(
        trial_name(c.id, seed) for c in expansion.members[group] for seed in study.seeds.select
    )


def _trials(
    configurations: Iterator[Configuration] | Sequence[Configuration],
    seeds: Sequence[int],
    stage: Stage,
) -> tuple[Trial, ...]:
    unique = {c.id: c for c in configurations}
    return tuple(
        Trial(configuration=c, seed=seed, stage=stage) for c in unique.values() for seed in seeds
    )


def _samples(study: Study) -> dict[str, list[tuple[Space, dict[str, Any]]]]:
    """Each group's spaces, each with the trainer and settings of some point in it."""
    samples: dict[str, list[tuple[Space, dict[str, Any]]]] = {}
    for group, spaces in group_spaces(study).items():
        for space in spaces:
            point = resolve_point(study, space, draw(study, space, random.Random(0)))
            sample = (space, {**point.settings, "trainer": point.trainer})
            samples.setdefault(group, []).append(sample)
    return samples


def resolve_point(study: Study, space: Space, values: Mapping[str, Any]) -> Point:
    """Let the trainer validate one point and fill in its defaults."""
    trainer = study.trainer_of(space.variant)
    older = {} if study.edition == CURRENT else changed_defaults(trainer)
    try:
        settings = resolve_settings(trainer, {**older, **values})
    except ConfigError as error:
        raise in_file(study, space.variant, error, values=values) from None
    check_configuration(study, space.variant, settings)
    return Point(space.variant, trainer, settings_to_dict(settings), settings.epoch_length)


def _ordered(study: Study, group: str, by_id: dict[str, list[Point]]) -> dict[str, list[Point]]:
    """A group's points as they will be tried.

    Draws of a random search are in random order already. Sorting by a hash shuffles a grid such
    that it keeps its order when values are added, and that a larger budget only adds trials.
    """
    if study.method != "grid":
        return by_id
    keys = sorted(
        by_id, key=lambda i: hashlib.sha256(f"{study.seed}/{group}/{i}".encode()).digest()
    )
    return {key: by_id[key] for key in keys[: study.budget.max_trials]}


def assemble(
    points: Mapping[str, Mapping[str, list[Point]]],
    duplicates: Mapping[str, int],
    *,
    to_suggest: Mapping[str, int] | None = None,
) -> Expansion:
    """The expansion that consists of these points, by group and identity."""
    labels: dict[str, list[str]] = {}
    variants: dict[str, dict[str, None]] = {}
    first: dict[str, Point] = {}
    for group, by_id in points.items():
        for key, same in by_id.items():
            labels.setdefault(key, []).append(group)
            variants.setdefault(key, {}).update(dict.fromkeys(p.variant for p in same))
            first.setdefault(key, same[0])
    configurations = {
        key: Configuration(
            id=key,
            trainer=point.trainer,
            settings=point.settings,
            groups=tuple(labels[key]),
            variants=tuple(variants[key]),
            epoch_length=point.epoch_length,
        )
        for key, point in first.items()
    }
    return Expansion(
        groups=tuple(points),
        configurations=tuple(configurations.values()),
        members={
            group: tuple(configurations[key] for key in by_id) for group, by_id in points.items()
        },
        duplicates=dict(duplicates),
        to_suggest=dict(to_suggest or {}),
    )
