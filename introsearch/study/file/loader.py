"""Reads a study file into a validated Study; everything is checked before anything starts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import add_module_folders, is_path
from introsearch.registry import METRICS, is_costly, is_timing
from introsearch.settings.base import settings_class
from introsearch.settings.fields import field_types
from introsearch.study.file.document import Document, read_document
from introsearch.study.file.overrides import apply_overrides
from introsearch.study.file.sections import Section
from introsearch.study.file.specs import read_parameter
from introsearch.study.model import (
    Budget,
    EarlyTermination,
    Metric,
    Resources,
    Seeds,
    Study,
    Tpe,
    Variant,
)
from introsearch.study.parameters import Parameter
from introsearch.study.search.expand import expand

TOP_LEVEL = tuple(f.name for f in dataclasses.fields(Study) if f.compare)
REQUIRED = ("trainer", "metric", "groups", "seeds", "parameters")
_METRIC_KEYS = ("name", "goal")
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_MAX_SUGGESTIONS = 1_000  # each costs more time than the one before it
VARIANT_NAME = r"[A-Za-z0-9_+-]+"


def load_study(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    module_folders: Sequence[str] | None = None,
) -> Study:
    """Read, override and validate a study file, including every configuration it expands into.

    Args:
        path: the YAML file.
        overrides: ``key=value`` each, as for ``--set``.
        name: another name for the study than the file's.
        module_folders: where the modules of dotted paths are searched too; the file's folder and
            the current one unless given.

    Raises:
        ConfigError: anything is wrong; with file, line, key and what would be right.
    """
    document = _read(path, overrides)
    if module_folders is None:
        module_folders = (str(Path(path).resolve().parent), str(Path.cwd()))
    add_module_folders(module_folders)
    study = _read_study(document, name=name, module_folders=tuple(module_folders))
    try:
        expand(study)
    except ConfigError as error:
        raise _at_place(error, document) from None
    return study


def at_place(error: ConfigError, path: str | Path, *, overrides: Sequence[str] = ()) -> ConfigError:
    """An error about a study, found after it was loaded, with the place of its key in the file.

    Args:
        error: its `key` is dotted from the root of the study file.
        path: the YAML file.
        overrides: as for `load_study`.
    """
    return _at_place(error, _read(path, overrides))


def _read(path: str | Path, overrides: Sequence[str]) -> Document:
    document = read_document(path)
    apply_overrides(document, overrides, top_level=TOP_LEVEL)
    return document


def _at_place(error: ConfigError, document: Document) -> ConfigError:
    file, line = document.place(error.key)
    return error.at(file=file, line=line)


def _read_study(document: Document, *, name: str | None, module_folders: tuple[str, ...]) -> Study:
    root = Section(document, "", document.data, legal=TOP_LEVEL, required=REQUIRED)
    method, trainer = root.field(Study, "method"), _read_trainer(root)
    parameters = {
        key: parameter
        for key, parameter in _read_parameters(root.child("parameters"), method=method).items()
        if parameter is not None
    }
    variants = _read_variants(root, method=method)
    metric = _read_metric(root.child("metric", legal=_METRIC_KEYS, required=("name",)))
    return Study(
        name=_read_name(root, name=name),
        description=_read_description(root),
        trainer=trainer,
        method=method,
        metric=metric,
        metrics=_read_metrics(root, metric),
        groups=_read_groups(root, parameters, variants),
        seeds=_read_seeds(root, method=method),
        parameters=parameters,
        variants=variants,
        early_terminate=_read_early_terminate(root, metric),
        tpe=_read_tpe(root, method=method),
        budget=_read_budget(root, method=method),
        resources=root.child_of("resources", Resources).read(Resources),
        **_read_interval(root),
        seed=root.field(Study, "seed"),
        file=document.file,
        module_folders=module_folders,
    )


def _read_name(root: Section, *, name: str | None) -> str:
    value: Any = name if name is not None else root.data.get("name")
    if value is None:
        value = Path(root.document.file).stem
    if isinstance(value, str) and re.fullmatch(NAME, value):
        return value
    message = f"{value!r} cannot name a study"
    hint = "letters, digits, '.', '_' and '-', the first a letter or digit, at most 100"
    if name is not None:
        raise ConfigError(message, key="name", file="--name", hint=hint)
    raise root.error(message, "name", hint=hint)


def _read_description(root: Section) -> str:
    text = root.data.get("description") or ""
    if isinstance(text, str):
        return text.strip()
    hint = "e.g. description: Does a learned prior help on the rings?"
    raise root.error(f"must be text, not {text!r}", "description", hint=hint)


def _read_trainer(section: Section) -> str:
    trainer = section.extension("trainer", kind="trainer")
    try:
        field_types(settings_class(trainer))
    except ConfigError as error:
        raise section.error(error.message, "trainer", hint=error.hint) from error
    return trainer


def _read_parameters(section: Section, *, method: str) -> dict[str, Parameter | None]:
    return {
        name: None
        if raw is None
        else read_parameter(section.document, section.path(name), raw, method=method)
        for name, raw in section.data.items()
        if section.key == "parameters" or name != "trainer"
    }


def _read_variants(root: Section, *, method: str) -> dict[str, Variant]:
    variants = {}
    section = root.child("variants")
    for name in section.data:
        if not re.fullmatch(VARIANT_NAME, name):
            hint = "letters, digits, '_', '+' and '-'"
            raise section.error(f"{name!r} cannot name a variant", name, hint=hint)
        variant = section.child(name)
        variants[name] = Variant(
            parameters=_read_parameters(variant, method=method),
            trainer=None if variant.data.get("trainer") is None else _read_trainer(variant),
        )
    return variants or {"default": Variant()}


def _read_metric(section: Section) -> Metric:
    name = section.field(Metric, "name")
    if is_timing(name):
        raise section.error(
            f"{name} is a wall time: what it chose would not be chosen again",
            "name",
            hint="another metric; wall times are recorded beside it",
        )
    known = "" if is_path(name) else METRICS[name].goal
    if section.data.get("goal") is None:
        if not known:
            hint = "add goal: minimize or goal: maximize"
            raise section.error(f"the goal of {name} is missing", "goal", hint=hint)
        return Metric(name=name, goal=known)
    goal = section.field(Metric, "goal")
    if known not in ("", goal):
        raise section.error(
            f"{goal} contradicts what {name} means", "goal", hint=f"goal: {known}, or leave it out"
        )
    return Metric(name=name, goal=goal)


def _read_metrics(root: Section, metric: Metric) -> tuple[Metric, ...]:
    """The user's own metrics beside the one that trials are compared by."""
    metrics: list[Metric] = []
    for i in range(len(root.sequence("metrics"))):
        section = root.item("metrics", i, legal=_METRIC_KEYS, required=("name",))
        own = _read_metric(section)
        if not is_path(own.name):
            hint = "remove it; metrics is for your own, e.g. {name: my_module:my_metric, goal: ...}"
            raise section.error(f"{own.name} is always reported", "name", hint=hint)
        if own.name in (metric.name, *(m.name for m in metrics)):
            raise section.error(f"{own.name} is listed twice", "name", hint="keep one")
        metrics.append(own)
    return tuple(metrics)


def _read_groups(
    root: Section, parameters: dict[str, Parameter], variants: dict[str, Variant]
) -> tuple[str, ...]:
    groups = root.sequence("groups")
    if not groups:
        raise root.error("is an empty list", "groups", hint="e.g. groups: [dataset, variant]")
    merged = [{**parameters, **variant.parameters} for variant in variants.values()]
    usable = {key for key in merged[0] if all(m.get(key) is not None for m in merged)}
    for i, key in enumerate(groups):
        if not isinstance(key, str) or key not in usable | {"variant"}:
            hint = nearest_hint(key, usable | {"variant"})
            raise root.error(
                f"{key!r} is not a parameter of every variant", f"groups.{i}", hint=hint
            )
        if groups.index(key) != i:
            raise root.error(f"{key!r} is listed twice", f"groups.{i}", hint="keep one")
    return tuple(groups)


def _read_seeds(root: Section, *, method: str) -> Seeds:
    section = root.child_of("seeds", Seeds)
    seeds = section.read(Seeds)
    if not seeds.report:
        raise section.error("is an empty list", "report", hint="e.g. report: [1, 2, 3, 4, 5]")
    if method == "tpe" and not seeds.select:
        hint = "e.g. select: [0]: tpe learns from the trials of these seeds"
        raise section.error("is an empty list", "select", hint=hint)
    shared = sorted(set(seeds.select) & set(seeds.report))
    if shared and not seeds.reuse_seeds:
        raise section.error(
            f"seeds {shared} select the winners, so reporting them is optimistic",
            "report",
            hint="use other seeds, or set reuse_seeds: true",
        )
    return seeds


def _read_early_terminate(root: Section, metric: Metric) -> EarlyTermination | None:
    if root.data.get("early_terminate") is None:
        return None
    section = root.child_of("early_terminate", EarlyTermination)
    if is_costly(metric.name):
        raise section.error(
            f"{metric.name} is costly: it is computed at the end of a trial only, so that nothing "
            "could be compared on the way",
            hint="remove early_terminate, or search by a cheap metric",
        )
    early = section.read(EarlyTermination)
    for key in early.keys:
        if getattr(early, key) is None:
            hint = f"add {key}: ... to early_terminate, or give both in epochs or in iterations"
            raise section.error(f"the key {key!r} is missing", key, hint=hint)
    for key in ("min_iter", "max_iter", "max_epochs"):
        if key not in early.keys and getattr(early, key) is not None:
            hint = "give both in epochs or in iterations"
            raise section.error(f"is given beside {early.keys[0]}", key, hint=hint)
    first, last = (getattr(early, key) for key in early.keys)
    if first >= last:
        raise section.error(
            f"{first:,} is not below {early.keys[1]}: {last:,}",
            early.keys[0],
            hint=f"{early.keys[1]} is a full trial's length, {early.keys[0]} its first comparison",
        )
    return early


def _read_interval(root: Section) -> dict[str, int | None]:
    """`evaluate_every`, unless it is in epochs."""
    if root.data.get("evaluate_every_epochs") is None:
        return {"evaluate_every": root.field(Study, "evaluate_every")}
    if root.data.get("evaluate_every") is not None:
        raise root.error(
            "is given beside evaluate_every", "evaluate_every_epochs", hint="keep one of them"
        )
    epochs = root.field(Study, "evaluate_every_epochs")
    return {"evaluate_every": None, "evaluate_every_epochs": epochs}


def _read_tpe(root: Section, *, method: str) -> Tpe | None:
    section = root.child_of("tpe", Tpe)
    if method == "tpe":
        return section.read(Tpe)
    if section.data:
        raise root.error(
            f"has no meaning with method: {method}", "tpe", hint="remove it, or set method: tpe"
        )
    return None


def _read_budget(root: Section, *, method: str) -> Budget:
    section = root.child_of("budget", Budget)
    budget = section.read(Budget)
    if method != "grid" and budget.max_trials is None:
        raise section.error(
            "the key 'max_trials' is missing",
            "max_trials",
            hint=f"add max_trials: ... to budget: {method} needs to know when to stop",
        )
    if method == "tpe" and budget.max_trials is not None and budget.max_trials > _MAX_SUGGESTIONS:
        raise section.error(
            f"must be at most {_MAX_SUGGESTIONS:,} for tpe, not {budget.max_trials:,}",
            "max_trials",
            hint="it is the number of configurations per group; for more, use method: random",
        )
    return budget
