"""What TPE has suggested so far, and the expansion of a study that consists of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from introsearch.errors import ConfigError
from introsearch.study.identity import identity
from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import Expansion, Point, assemble, resolve_point
from introsearch.study.search.spaces import Space, group_spaces, in_file


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """A point of a group's space as it was chosen, before products and look-ups.

    Attributes:
        variant: the variant.
        values: what was chosen, by parameter; the values of those that tell groups apart too.
    """

    variant: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How well a suggested configuration did.

    Attributes:
        value: the mean metric of its seeds, if all finished, else at the last rung that all
            reached; None if one diverged or failed, which ranks below all others.
        rung: that rung, in the unit in which the study counts them; None if all finished.
    """

    value: float | None = None
    rung: int | None = None

    def rank(self, sign: float) -> tuple[float, float]:
        """Sorts outcomes, the best first: who got further, and then the better mean there.

        Args:
            sign: see `study.model.sign_of`.
        """
        if self.value is None:
            return math.inf, 0.0
        return -(math.inf if self.rung is None else self.rung), sign * self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggested:
    """A configuration that was suggested in a group, once or again.

    Attributes:
        group: the group's label.
        at: which suggestions of the group it is, counted from 0.
        suggestion: how it was chosen the first time.
        config_id: the configuration's identity.
    """

    group: str
    at: tuple[int, ...]
    suggestion: Suggestion
    config_id: str

    def to_json(self) -> str:
        """As it is recorded beside its configuration's identity."""
        chosen = {"variant": self.suggestion.variant, "values": dict(self.suggestion.values)}
        return json.dumps({"group": self.group, "at": list(self.at), **chosen})

    @staticmethod
    def from_json(text: str, *, config_id: str) -> Suggested:
        data = json.loads(text)
        suggestion = Suggestion(variant=data["variant"], values=data["values"])
        return Suggested(
            group=data["group"], at=tuple(data["at"]), suggestion=suggestion, config_id=config_id
        )


def expand_suggested(study: Study, recorded: Iterable[Suggested]) -> Expansion:
    """The configurations that have been suggested so far, and how many are to come.

    Suggestions that do not belong to the study any more are left out: their parameters or
    constants have changed, or they are beyond `budget.max_trials`.
    """
    sequences = suggestions_by_group(study, recorded)
    points: dict[str, dict[str, list[Point]]] = {}
    for group, spaces in group_spaces(study).items():
        by_id = points.setdefault(group, {})
        for suggestion, config_id in sequences[group]:
            by_id.setdefault(config_id, []).append(_point(study, spaces, suggestion))
    limit = study.budget.max_trials or 0
    return assemble(
        points,
        duplicates={group: len(sequences[group]) - len(by_id) for group, by_id in points.items()},
        to_suggest={group: limit - len(sequence) for group, sequence in sequences.items()},
    )


def suggestions_by_group(
    study: Study, recorded: Iterable[Suggested]
) -> dict[str, list[tuple[Suggestion, str]]]:
    """Each group's suggestions in their order, with their configurations' identities."""
    spaces = group_spaces(study)
    numbered: dict[str, list[tuple[int, str, Suggestion]]] = {group: [] for group in spaces}
    for one in recorded:
        if one.group in spaces and _identity(study, spaces[one.group], one) == one.config_id:
            numbered[one.group] += [(at, one.config_id, one.suggestion) for at in one.at]
    limit = study.budget.max_trials
    return {
        group: [(s, i) for _, i, s in sorted(entries, key=lambda entry: entry[:2])[:limit]]
        for group, entries in numbered.items()
    }


def configuration_of(
    study: Study, group: str, spaces: Sequence[Space], suggestion: Suggestion
) -> Configuration:
    """The configuration that was suggested in one of a group's spaces.

    Raises:
        ConfigError: the trainer refuses it.
    """
    point = _point(study, spaces, suggestion)
    return Configuration(
        id=identity(point.trainer, point.settings),
        trainer=point.trainer,
        settings=point.settings,
        groups=(group,),
        variants=(point.variant,),
        epoch_length=point.epoch_length,
    )


def _identity(study: Study, spaces: Sequence[Space], suggested: Suggested) -> str:
    """The identity that a suggestion has in the present study; empty if it is not in its space."""
    if _space_of(spaces, suggested.suggestion) is None:
        return ""
    try:
        point = _point(study, spaces, suggested.suggestion)
    except ConfigError:
        return ""
    return identity(point.trainer, point.settings)


def _space_of(spaces: Sequence[Space], suggestion: Suggestion) -> Space | None:
    """The one of a group's spaces that a suggestion lies in."""
    for space in spaces:
        chosen = {k: v for k, v in suggestion.values.items() if k in space.fixed}
        if (suggestion.variant, chosen) == (space.variant, space.fixed) and all(
            space.parameters[name].by is not None
            or space.parameters[name].accepts(suggestion.values.get(name))
            for name in space.order
        ):
            return space
    return None


def _point(study: Study, spaces: Sequence[Space], suggestion: Suggestion) -> Point:
    space = _space_of(spaces, suggestion)
    if space is None:
        raise ValueError(f"{suggestion} is in none of the group's spaces")
    values = dict(space.fixed)
    for name in space.order:
        try:
            values[name] = space.parameters[name].derive(suggestion.values.get(name), values)
        except ConfigError as error:
            raise in_file(study, space.variant, error, name=name) from None
    return resolve_point(study, space, values)
