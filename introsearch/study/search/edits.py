"""Which edits of a study file may go on under the same name, and which change what is recorded.

An edit is growth if every trial that has ended still means what it meant: its configuration and
seed are in the study, in the same groups, and it was judged by the same rules. New values,
variants and seeds, a larger budget, other resources, another evaluation interval and more metrics
are growth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from introsearch.study.model import Study
from introsearch.study.search.expand import Expansion
from introsearch.wording import setting

# What judges trials, or decides which there are; other changes matter if trials drop out.
_RULES = ("method", "metric.name", "metric.goal", "groups", "seed", "early_terminate", "tpe")
_MEMBERS = ("trainer", "parameters", "variants", "seeds", "budget.max_trials")
_NOTHING = "(nothing)"


class Edit(NamedTuple):
    """One changed key of a study file, dotted, with both values in words."""

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.key}: {self.before} -> {self.after}"


class EndedTrial(NamedTuple):
    """A recorded trial that finished, was stopped, or diverged."""

    config_id: str
    seed: int


def changed_rules(before: Study, now: Study) -> list[Edit]:
    """Edits after which recorded trials were judged, or drawn, by other rules than new ones."""
    old, new = _rules(before), _rules(now)
    keys = [key for key in {**old, **new} if _is_within(key, _RULES)]
    return list(_differences(keys, old, new))


def orphans(
    trials: Collection[EndedTrial],
    before: tuple[Study, Expansion],
    now: tuple[Study, Expansion],
) -> list[EndedTrial]:
    """Ended trials that belonged to a study as it was, and do not as it is now.

    Args:
        trials: all that are recorded.
        before: the study as it was last run, and its configurations.
        now: the study as it is to be run.
    """
    groups = [
        {c.id: set(c.groups) for c in expansion.configurations} for _, expansion in (before, now)
    ]
    seeds = [{*study.seeds.select, *study.seeds.report} for study, _ in (before, now)]
    return [
        trial
        for trial in trials
        if trial.config_id in groups[0]
        and trial.seed in seeds[0]
        and not (
            groups[0][trial.config_id] <= groups[1].get(trial.config_id, set())
            and trial.seed in seeds[1]
        )
    ]


def changed_members(before: Study, now: Study) -> list[Edit]:
    """Edits that may be why trials dropped out of a study; in a grid, additions cannot be."""
    old, new = _flat(before.to_dict()), _flat(now.to_dict())
    keys = [key for key in {**old, **new} if _is_within(key, _MEMBERS)]
    edits = list(_differences(keys, old, new))
    if "grid" in (before.method, now.method):
        variants = {f"variants.{name}" for name in now.variants.keys() - before.variants.keys()}
        losing = [
            edit
            for edit in edits
            if not _is_within(edit.key, variants) and not _is_addition(old, new, edit.key)
        ]
        return losing or edits
    return edits


def fingerprint(definition: Mapping[str, Any], expansion: Expansion) -> str:
    """A word for what a study file says, and one for the configurations that it leads to.

    Args:
        definition: the study in the words of a study file.
        expansion: its configurations.
    """
    return f"{_digest(definition)} {_digest(sorted(c.id for c in expansion.configurations))}"


def leads_elsewhere(recorded: str, definition: Mapping[str, Any], expansion: Expansion) -> bool:
    """Whether the same file led to other configurations when its fingerprint was recorded.

    A fingerprint of another file says nothing: a driver was killed between writing the two.
    """
    before, now = recorded.split(), fingerprint(definition, expansion).split()
    return before[0] == now[0] and before[1] != now[1]


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def _rules(study: Study) -> dict[str, Any]:
    """As in the file, but for early termination what follows from it."""
    rules = _flat(study.to_dict())
    early = study.early_terminate
    if early is None:
        return rules
    rules = {key: value for key, value in rules.items() if not _is_within(key, ["early_terminate"])}
    words = {
        "rungs": [f"{n} {early.unit}" for n in early.rungs],
        "eta": early.eta,
        "averaged": early.averaged,
        "min_active_units": early.min_active_units,
    }
    return rules | {f"early_terminate.{k}": v for k, v in words.items() if v is not None}


def _flat(data: Mapping[str, Any], *, above: str = "") -> dict[str, Any]:
    """Values by dotted key; lists are values, and so are the candidates of a parameter."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and list(value) != ["values"]:
            flat |= _flat(value, above=f"{key}.")
        else:
            flat[key] = value["values"] if isinstance(value, Mapping) else value
    return flat


def _is_within(key: str, sections: Collection[str]) -> bool:
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _differences(
    keys: Collection[str], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Edit]:
    for key in keys:
        if key not in old or key not in new or old[key] != new[key]:
            yield Edit(key, _words(old, key), _words(new, key))


def _words(values: Mapping[str, Any], key: str) -> str:
    return setting(values[key], full=True) if key in values else _NOTHING


def _is_addition(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    """Whether a value has become a list that holds it, or a list has become longer."""
    before, after = old.get(key), new.get(key)
    if not isinstance(after, list):
        return False
    return all(value in after for value in (before if isinstance(before, list) else [before]))
