"""Reads a study file into a validated Study; everything is checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from introsearch.errors import ConfigError, nearest_hint
from introsearch.registry import METRICS, TRAINERS
from introsearch.study.expand import expand
from introsearch.study.model import (
    Budget,
    EarlyTermination,
    Metric,
    Resources,
    Seeds,
    Study,
    Variant,
)
from introsearch.study.overrides import apply_overrides
from introsearch.study.parameters import Parameter
from introsearch.study.sections import Section, as_whole
from introsearch.study.specs import read_parameter
from introsearch.study.yaml_loader import Document, read_document

METHODS = ("grid", "random")
GOALS = ("minimize", "maximize")
TOP_LEVEL = (
    "name",
    "trainer",
    "method",
    "metric",
    "groups",
    "seeds",
    "parameters",
    "variants",
    "early_terminate",
    "budget",
    "resources",
    "evaluate_every",
    "seed",
)
_REQUIRED = ("trainer", "metric", "groups", "seeds", "parameters")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIANT_NAME = re.compile(r"[A-Za-z0-9_+-]+")


def load_study(
    path: str | Path, *, overrides: Sequence[str] = (), name: str | None = None
) -> Study:
    """Read, override and validate a study file, including every configuration it expands into.

    Args:
        path: the YAML file.
        overrides: ``key=value`` each, as for ``--set``.
        name: another name for the study than the file's.

    Raises:
        ConfigError: anything is wrong; with file, line, key and what would be right.
    """
    document = read_document(path)
    apply_overrides(document, overrides, top_level=TOP_LEVEL)
    study = _read_study(document, name=name)
    try:
        expand(study)
    except ConfigError as error:
        file, line = document.place(error.key)
        raise error.at(file=file, line=line) from None
    return study


def _read_study(document: Document, *, name: str | None) -> Study:
    root = Section(document, "", document.data, legal=TOP_LEVEL, required=_REQUIRED)
    method = root.word("method", "grid", legal=METHODS)
    parameters = {
        key: parameter
        for key, parameter in _read_parameters(root.child("parameters"), method=method).items()
        if parameter is not None
    }
    variants = _read_variants(root, method=method)
    metric = _read_metric(root)
    return Study(
        name=_read_name(root, name=name),
        trainer=root.word("trainer", "", legal=TRAINERS),
        method=method,
        metric=metric,
        groups=_read_groups(root, parameters, variants),
        seeds=_read_seeds(root),
        parameters=parameters,
        variants=variants,
        early_terminate=_read_early_terminate(root, metric),
        budget=_read_budget(root, method=method),
        resources=_read_resources(root),
        evaluate_every=root.whole("evaluate_every", 1000, low=1),
        seed=root.whole("seed", 0),
        file=document.file,
    )


def _read_name(root: Section, *, name: str | None) -> str:
    value: Any = name if name is not None else root.data.get("name")
    if value is None:
        value = Path(root.document.file).stem
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    message = f"{value!r} cannot name a study"
    hint = "letters, digits, '.', '_' and '-', the first a letter or digit, at most 100"
    if name is not None:
        raise ConfigError(message, key="name", file="--name", hint=hint)
    raise root.error(message, "name", hint=hint)


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
        if not _VARIANT_NAME.fullmatch(name):
            hint = "letters, digits, '_', '+' and '-'"
            raise section.error(f"{name!r} cannot name a variant", name, hint=hint)
        variant = section.child(name)
        trainer = variant.data.get("trainer")
        variants[name] = Variant(
            parameters=_read_parameters(variant, method=method),
            trainer=None if trainer is None else variant.word("trainer", "", legal=TRAINERS),
        )
    return variants or {"default": Variant()}


def _read_metric(root: Section) -> Metric:
    section = root.child("metric", legal=("name", "goal"), required=("name",))
    name = section.word("name", "", legal=METRICS)
    goal = section.word("goal", METRICS[name].goal, legal=GOALS)
    if goal != METRICS[name].goal:
        raise section.error(
            f"{goal} contradicts what {name} means",
            "goal",
            hint=f"goal: {METRICS[name].goal}, or leave it out",
        )
    return Metric(name=name, goal=goal)


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


def _read_seeds(root: Section) -> Seeds:
    section = root.child(
        "seeds", legal=("select", "report", "reuse_seeds"), required=("select", "report")
    )
    select, report = _seed_list(section, "select"), _seed_list(section, "report")
    reuse_seeds = section.flag("reuse_seeds", False)
    if not report:
        raise section.error("is an empty list", "report", hint="e.g. report: [1, 2, 3, 4, 5]")
    shared = sorted(set(select) & set(report))
    if shared and not reuse_seeds:
        raise section.error(
            f"seeds {shared} select the winners, so reporting them is optimistic",
            "report",
            hint="use other seeds, or set reuse_seeds: true",
        )
    return Seeds(select=select, report=report, reuse_seeds=reuse_seeds)


def _seed_list(section: Section, name: str) -> tuple[int, ...]:
    seeds: list[int] = []
    for i, value in enumerate(section.sequence(name)):
        seed = as_whole(value)
        if seed is None or seed < 0:
            raise section.error(
                f"a seed must be a whole number of at least 0, not {value!r}",
                f"{name}.{i}",
                hint=f"e.g. {name}: [0, 1, 2]",
            )
        if seed in seeds:
            raise section.error(f"seed {seed} is listed twice", f"{name}.{i}", hint="keep one")
        seeds.append(seed)
    return tuple(seeds)


def _read_early_terminate(root: Section, metric: Metric) -> EarlyTermination | None:
    if root.data.get("early_terminate") is None:
        return None
    section = root.child(
        "early_terminate",
        legal=("type", "min_iter", "max_iter", "eta"),
        required=("min_iter", "max_iter"),
    )
    if METRICS[metric.name].costly:
        raise section.error(
            f"{metric.name} is costly: it is computed at the end of a trial only, so that nothing "
            "could be compared on the way",
            hint="remove early_terminate, or search by a cheap metric",
        )
    early = EarlyTermination(
        type=section.word("type", "asha", legal=("asha",)),
        min_iter=section.whole("min_iter", 1, low=1),
        max_iter=section.whole("max_iter", 1, low=1),
        eta=section.whole("eta", 3, low=2),
    )
    if early.min_iter >= early.max_iter:
        raise section.error(
            f"{early.min_iter:,} is not below max_iter: {early.max_iter:,}",
            "min_iter",
            hint="max_iter is the length of a full trial, min_iter its first comparison",
        )
    return early


def _read_budget(root: Section, *, method: str) -> Budget:
    section = root.child(
        "budget",
        legal=(
            "max_trials",
            "max_concurrent_trials",
            "max_hours",
            "max_failed_trials",
            "max_restarts",
        ),
        required=("max_trials",) if method == "random" else (),
    )
    return Budget(
        max_trials=section.whole("max_trials", None, low=1),
        max_concurrent_trials=section.whole("max_concurrent_trials", None, low=1),
        max_hours=section.number("max_hours", None, zero=False),
        max_failed_trials=section.whole("max_failed_trials", None),
        max_restarts=section.whole("max_restarts", 2),
    )


def _read_resources(root: Section) -> Resources:
    section = root.child("resources", legal=("cpus", "gpus"))
    return Resources(
        cpus=section.number("cpus", 1, zero=False), gpus=section.number("gpus", 0.0, zero=True)
    )
