"""Reads a study file into a validated Study; everything is checked before anything starts."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from introsearch.editions import CURRENT
from introsearch.errors import ConfigError
from introsearch.extensions import add_module_folders
from introsearch.settings.model import validated
from introsearch.study.file.document import Document, read_document
from introsearch.study.file.overrides import apply_overrides
from introsearch.study.model import STUDY_NAME, STUDY_NAME_HINT, Study
from introsearch.study.search.checks import candidate_faults
from introsearch.study.search.expand import expand
from introsearch.study.space import SearchSpace


def load_study(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    module_folders: Sequence[str] | None = None,
    edition: int = CURRENT,
) -> Study:
    """Read, override and validate a study file, including every configuration it expands into.

    Args:
        path: the YAML file.
        overrides: ``key=value`` each, as for ``--set``.
        name: another name for the study than the file's.
        module_folders: where the modules of dotted paths are searched too; the file's folder and
            the current one unless given.
        edition: what its defaults and metrics mean (`editions`).

    Raises:
        ConfigError: for all that is wrong; with file, line, key and what would be right.
    """
    if name is not None and not re.fullmatch(STUDY_NAME, name):
        message = f"{name!r} cannot name a study"
        raise ConfigError(message, key="name", file="--name", hint=STUDY_NAME_HINT)
    document = _read(path, overrides)
    if module_folders is None:
        module_folders = (str(Path(path).resolve().parent), str(Path.cwd()))
    add_module_folders(module_folders)
    if name is not None or document.data.get("name") is None:
        document.data["name"] = name if name is not None else Path(document.file).stem
    context = {"module_folders": tuple(module_folders), "edition": edition}
    return _read_study(document, context=context)


def at_place(error: ConfigError, path: str | Path, *, overrides: Sequence[str] = ()) -> ConfigError:
    """An error about a study, found after it was loaded, with the place of its key in the file.

    Args:
        error: its `key` is dotted from the root of the study file.
        path: the YAML file.
        overrides: as for `load_study`.
    """
    return _read(path, overrides).located(error)


def _read(path: str | Path, overrides: Sequence[str]) -> Document:
    document = read_document(path)
    apply_overrides(document, overrides, top_level=Study.model_fields)
    return document


def _read_study(document: Document, *, context: Mapping[str, Any]) -> Study:
    """Every key and value by itself first, then what they are together."""
    try:
        study = validated(Study, document.data, context={"file": document.file, **context})
    except ConfigError as error:
        faults = [error, *_faults_of_space(document.data, error)]
        raise document.located(ConfigError.of(faults)) from None
    try:
        if faults := candidate_faults(study):
            raise ConfigError.of(faults)
        expand(study)
    except ConfigError as error:
        raise document.located(error) from None
    return study


def _faults_of_space(data: Mapping[str, Any], known: ConfigError) -> list[ConfigError]:
    """What trainers refuse in a file that has other faults, of parameters that have none.

    Args:
        data: the file's.
        known: all other faults.
    """
    space = copy.deepcopy({name: data[name] for name in SearchSpace.model_fields if name in data})
    trainer = space.pop("trainer", None)
    for section, parts in list(space.items()):
        keys = [error.key for error in known.all if _is_within(error.key, section)]
        if not isinstance(parts, dict):
            del space[section]
        for key in keys if isinstance(parts, dict) else ():
            _leave_out(parts, key.removeprefix(f"{section}."), of_variants=section == "variants")
    try:
        return candidate_faults(
            validated(SearchSpace, {"trainer": trainer, "parameters": {}, **space})
        )
    except ConfigError:  # without a trainer, say
        return []


def _leave_out(parts: dict[str, Any], key: str, *, of_variants: bool) -> None:
    """Leave out what is at fault: a parameter, a variant's, or a variant."""
    for name in [name for name in parts if _is_within(key, name)]:
        inner, rest = parts[name], key.removeprefix(name).removeprefix(".")
        own = inner if of_variants and isinstance(inner, dict) else {}
        for parameter in [each for each in own if each != "trainer" and _is_within(rest, each)]:
            own[parameter] = None  # which leaves the common one out too
            break
        else:
            del parts[name]


def _is_within(key: str, name: str) -> bool:
    return f"{key}.".startswith(f"{name}.")
