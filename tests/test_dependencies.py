"""What the package imports is what it declares, and what constraints.txt pins."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = {"introsearch", "__future__", *sys.stdlib_module_names}


def imported(folder: Path) -> set[str]:
    """Outside packages that the modules of a folder import, inside functions and for typing too."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))
    names = {name for tree in trees for node in ast.walk(tree) for name in _names(node)}
    return {name.partition(".")[0] for name in names} - OWN


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom(level=0, module=str(name)):
            yield name
        case ast.Call(
            func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name))]
        ):
            yield name


def distribution(requirement: str) -> str:
    """Its name as package indexes compare names."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def faults(packages: set[str], declared: set[str]) -> dict[str, set[str]]:
    """Imported packages that nothing declared brings, and what is declared for no import."""
    known = packages_distributions()
    brought_by = {p: {distribution(name) for name in known.get(p, [])} for p in packages}
    return {
        "undeclared": {p for p, names in brought_by.items() if not names & declared},
        "unneeded": declared.difference(*brought_by.values()),
    }


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {distribution(requirement) for requirement in project["dependencies"]}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    found = faults(imported(ROOT / "introsearch"), declared())
    assert found == {"undeclared": set(), "unneeded": set()}


def test_what_is_declared_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert declared() <= {distribution(line) for line in lines}


@pytest.mark.parametrize(
    "text",
    [
        "import os, yaml.nodes",
        "def f():\n    from yaml.nodes import Node",
        "if TYPE_CHECKING:\n    import yaml",
        "importlib.import_module('yaml')",
    ],
)
def test_an_import_anywhere_needs_its_distribution(tmp_path: Path, text: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "module.py").write_text(f"import introsearch.files\n{text}\n")
    packages = imported(tmp_path)
    assert faults(packages, {"pyyaml"}) == {"undeclared": set(), "unneeded": set()}
    assert faults(packages, {"rich"}) == {"undeclared": {"yaml"}, "unneeded": {"rich"}}
