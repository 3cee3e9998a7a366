"""``--set key=value``: changes to a study file from the command line, before it is validated."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from introsearch.errors import ConfigError, nearest_hint
from introsearch.study.file.document import Document, Place, parse_value

FILE = "--set"


def apply_overrides(
    document: Document, overrides: Sequence[str], *, top_level: Collection[str]
) -> None:
    """Change a document in place.

    Args:
        document: what to change; its places are kept up to date.
        overrides: ``key=value`` each, the value being YAML. Keys are dotted from the file's root;
            a bare key that is not in `top_level` means ``parameters.<key>``, as does a dotted one
            that begins with one of the file's parameters.
        top_level: keys of the file's root.

    Raises:
        ConfigError: no ``=`` or nothing after it, a key below something that is no mapping, an
            unknown variant, or a parameter that every variant sets itself, so that the change would
            have no effect.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise ConfigError(
                f"{override!r} is not key=value", file=FILE, hint="e.g. --set seeds.report=[1,2]"
            )
        if not text.strip():
            hint = f"null, if the file's value is to be removed: --set {key}=null"
            raise ConfigError(f"{override!r} has no value", file=FILE, hint=hint)
        _set(document, _from_root(document, key, top_level), text)


def _from_root(document: Document, key: str, top_level: Collection[str]) -> str:
    first, dot, _ = key.partition(".")
    parameters = document.data.get("parameters")
    known = isinstance(parameters, dict) and first in parameters
    return key if first in top_level or (dot and not known) else f"parameters.{key}"


def _set(document: Document, key: str, text: str) -> None:
    _check_effect(document, key)
    *parents, last = key.split(".")
    target = document.data
    for i, name in enumerate(parents):
        if target.get(name) is None:
            target[name] = {}
            document.places[".".join(parents[: i + 1])] = Place(FILE, None)
        target = target[name]
        if not isinstance(target, dict):
            raise ConfigError(
                f"{'.'.join(parents[: i + 1])} is {target!r}, which has no keys",
                key=key,
                file=FILE,
                hint=f"replace it: --set '{'.'.join(parents[: i + 1])}={{...}}'",
            )
    for place in [p for p in document.places if p == key or p.startswith(f"{key}.")]:
        del document.places[place]
    document.places[key] = Place(FILE, None)
    places: dict[str, Place] = {}
    target[last] = parse_value(text, file=FILE, places=places, key=key)
    document.places.update(dict.fromkeys(places, Place(FILE, None)))


def _check_effect(document: Document, key: str) -> None:
    section, _, rest = key.partition(".")
    variants = document.data.get("variants")
    if not isinstance(variants, dict) or not variants:
        return
    name, _, parameter = rest.partition(".")
    if section == "variants" and parameter and name not in variants:
        raise ConfigError(
            f"unknown variant {name!r}", key=key, file=FILE, hint=nearest_hint(name, variants)
        )
    if section == "parameters" and all(
        isinstance(v, dict) and name in v for v in variants.values()
    ):
        raise ConfigError(
            f"has no effect: every variant sets its own {name}",
            key=key,
            file=FILE,
            hint=" or ".join(f"variants.{v}.{name}=..." for v in variants),
        )
