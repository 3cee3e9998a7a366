"""What a name in a study file stands for: a registered extension, or one of the user's own.

A study file names an extension of the user's own by its dotted path, ``module:Name``. It is foreign
code: whatever is wrong with it becomes a `ConfigError` that says where.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from introsearch.errors import ConfigError, nearest_hint
from introsearch.registry import DATASETS, METRICS, PRIORS, TRAINERS


class Kind(NamedTuple):
    """What an extension of one kind is.

    Attributes:
        names: the registered ones.
        what: its kind in words.
        base: dotted path of the class that it is derived from; empty for a function.
        defines: what it must define beyond its base.
        example: how a study file names one of the user's own.
    """

    names: Collection[str]
    what: str
    base: str
    defines: tuple[str, ...]
    example: str


KINDS: dict[str, Kind] = {
    "dataset": Kind(
        names=DATASETS,
        what="a data set",
        base="introsearch.data.base:Data",
        defines=("sample",),
        example="my_module:MyData",
    ),
    "prior": Kind(
        names=PRIORS,
        what="a prior",
        base="introsearch.priors.base:Prior",
        defines=("create", "log_prob", "sample"),
        example="my_module:MyPrior",
    ),
    "trainer": Kind(
        names=TRAINERS,
        what="a trainer",
        base="introsearch.training.base:Trainer",
        defines=("advance", "evaluate", "state_dict", "load_state_dict"),
        example="my_module:MyTrainer",
    ),
    "metric": Kind(
        names=METRICS, what="a metric", base="", defines=(), example="my_module:my_metric"
    ),
}
SETTINGS_FORM = (
    "they are a pydantic model, e.g. class Settings(TrainerSettings): "
    'caution: Number = Field(0.5, ge=0, lt=1, description="how cautious to be"), '
    "with TrainerSettings of introsearch.settings.base, Number of introsearch.settings.model and "
    "Field of pydantic; of bool, Whole, Number, str, Literal[...], Many[...] of them, or | None"
)
_DATA_KINDS = {entry.kind for entry in DATASETS.values()}
_WORD = "[A-Za-z_][A-Za-z0-9_]*"
PATH = rf"{_WORD}(\.{_WORD})*:{_WORD}"  # a regular expression that JSON Schema understands too


def resolve(kind: str, name: str) -> Any:
    """The class, or the function of a metric, that a name in a study file stands for.

    Args:
        kind: one of `KINDS`.
        name: a registered name, or the dotted path ``package.module:Name`` of the user's own.

    Raises:
        ConfigError: as for `check_name`.
    """
    check_name(kind, name)
    return _load_own(kind, name) if is_path(name) else load(_registered_path(kind, name))


def check_name(kind: str, name: object, *, only: Collection[str] | None = None) -> None:
    """Refuse a name that stands for nothing of its kind. Registered names import nothing.

    Args:
        kind: one of `KINDS`.
        name: what the user wrote.
        only: the registered names that are legal here; all of them unless given.

    Raises:
        ConfigError: no such name, a module that cannot be imported or lacks the name, or an object
            of another kind. Its `key` is the kind.
    """
    if isinstance(name, str) and is_path(name):
        _load_own(kind, name)
        return
    legal = KINDS[kind].names if only is None else only
    if isinstance(name, str) and name in legal:
        return
    hint = f"{nearest_hint(name, legal)}, or {KINDS[kind].what} of your own: {_form(kind)}"
    module, dot, last = str(name).rpartition(".")
    if dot and is_path(f"{module}:{last}") and re.fullmatch(PATH, f"{module}:{last}"):
        hint = f"did you mean {module}:{last}? {hint}"
    raise ConfigError(f"unknown {kind} {name!r}", key=kind, hint=hint)


def is_path(name: str) -> bool:
    """Whether `name` means an extension of the user's own."""
    return ":" in name


def data_kind(dataset: str) -> str:
    """What a data set consists of: ``points``, ``images`` or ``latents``.

    Registered names import nothing.

    Raises:
        ConfigError: as for `check_name`.
    """
    check_name("dataset", dataset)
    if dataset in DATASETS:
        return DATASETS[dataset].kind
    kind: str = resolve("dataset", dataset).kind
    return kind


def metrics_for(trainer: str, settings: Mapping[str, Any]) -> list[str]:
    """The registered metrics that apply to a configuration unasked, by the rule of `MetricEntry`.

    Args:
        trainer: as a study file names it.
        settings: the trainer's. If only some are known, the others rule nothing out; but without
            a data set it is taken to train on points.

    Raises:
        ConfigError: as for `check_name`, of the data set.
    """
    return [
        name
        for name, entry in METRICS.items()
        if not entry.asked and not misfit(name, trainer, settings=settings)
    ]


def misfit(metric: str, trainer: str, *, settings: Mapping[str, Any]) -> str:
    """Why a registered metric does not apply to a configuration; empty if it does.

    Other arguments, and what is raised, as for `metrics_for`.

    Returns:
        What is to follow the metric's name, e.g. ``is only for activation: linear``.
    """
    entry, dataset = METRICS[metric], settings.get("dataset")
    judges, judged_as = entry.judges.split(), _judged_as(trainer, dataset)
    if judged_as.isdisjoint(judges):
        if "any_data" not in judged_as or not _DATA_KINDS.issuperset(judges):
            return f"is not a metric of trainer: {trainer}"
        where = f"trainer: {trainer}" if dataset is None else f"dataset: {dataset}"
        return f"is for {' or '.join(judges)}, and {where} has none"
    if entry.needs is not None:
        setting, value = entry.needs
        if settings.get(setting, value) != value:
            return f"is only for {setting}: {value}"
    return ""


def _judged_as(trainer: str, dataset: str | None) -> set[str]:
    if trainer in TRAINERS and TRAINERS[trainer].judged_as:
        return set(TRAINERS[trainer].judged_as.split())
    return {"any_data", "points" if dataset is None else data_kind(dataset)}


def add_module_folders(folders: Iterable[str | Path]) -> None:
    """Find the modules of dotted paths in these folders too.

    They come after all that Python searches anyway, so that a file of the user's cannot hide an
    installed module. The driver and every worker call this with `Study.module_folders`.
    """
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)


def load(path: str) -> Any:
    """Import ``package.module:Name`` and return the object.

    Raises:
        ImportError: the module does not exist.
        AttributeError: the module has no such name.
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _registered_path(kind: str, name: str) -> str:
    if kind == "trainer":
        return TRAINERS[name].trainer
    if kind == "metric":
        return f"introsearch.metrics.{METRICS[name].module}:{name}"
    return DATASETS[name].data if kind == "dataset" else PRIORS[name]


def _load_own(kind: str, path: str) -> Any:
    """The user's own extension, if it is one."""
    if not re.fullmatch(PATH, path):
        raise ConfigError(f"{path!r} is no path to {KINDS[kind].what}", key=kind, hint=_form(kind))
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # it is foreign code
        raise _import_error(kind, module_name, error) from error
    if not hasattr(module, name):
        usable = [
            key
            for key, value in vars(module).items()
            if getattr(value, "__module__", "") == module_name and not _fault(kind, value)
        ]
        raise ConfigError(
            f"{module_name} ({getattr(module, '__file__', 'a folder')}) has no {name!r}",
            key=kind,
            hint=nearest_hint(name, usable) if usable else _form(kind),
        )
    if fault := _fault(kind, getattr(module, name)):
        raise ConfigError(f"{path} {fault}", key=kind, hint=_form(kind))
    return getattr(module, name)


def _fault(kind: str, candidate: Any) -> str:
    """Why an object is no extension of its kind; empty if it is."""
    _, what, base_path, defines, _ = KINDS[kind]
    if not base_path:
        is_function = callable(candidate) and not isinstance(candidate, type)
        return "" if is_function and _takes_two(candidate) else f"is not {what}"
    base = load(base_path)
    if not isinstance(candidate, type) or not issubclass(candidate, base):
        return f"is not {what}"
    own, inherited = (
        {name: inspect.getattr_static(cls, name) for name in defines} for cls in (candidate, base)
    )
    lacking = [name for name in defines if own[name] is inherited[name]]
    return f"does not define {', '.join(lacking)}" if lacking else ""


def _takes_two(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        return True
    return True


def _form(kind: str) -> str:
    """What an extension of the user's own must be."""
    _, _, base, defines, example = KINDS[kind]
    if not base:
        return f"{example}, a function (view, generator) -> float"
    return f"{example}, a class derived from {base} that defines {', '.join(defines)}"


def _import_error(kind: str, module: str, error: BaseException) -> ConfigError:
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        return ConfigError(
            f"there is no module {error.name!r}",
            key=kind,
            hint="it must be installed, or lie beside the study file or in the current folder",
        )
    if isinstance(error, ImportError) and f"{error.name}.".startswith("introsearch."):
        of_settings = re.search(r"\.(fields|settings)\b", f"{error.name}")
        hint = f"of Settings, {SETTINGS_FORM}" if of_settings else "see CHANGELOG.md of introsearch"
        return ConfigError(f"cannot import {module}: {error}", key=kind, hint=hint)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}"
    return ConfigError(
        f"cannot import {module}: {type(error).__name__}: {error} ({place})",
        key=kind,
        hint=f"make it work alone first: python -c 'import {module}'",
    )
