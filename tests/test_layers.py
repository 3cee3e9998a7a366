"""Imports go downwards only, and what should start fast imports nothing slow."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "introsearch"

# From the bottom up; parts of one layer may import each other only where SIDEWAYS says so.
LAYERS = (
    ("compat", "errors", "extensions", "registry", "trial_files"),
    ("collapse", "data", "losses", "nets", "priors"),
    ("metrics", "training"),
    ("results", "study"),
    ("trial_run",),
    ("bench", "calibration", "tracking", "trainables"),
    ("execution",),
    ("commands",),
    ("cli",),
)
SIDEWAYS = {
    ("losses", "priors"),
    ("priors", "losses"),
    ("priors", "nets"),
    ("extensions", "errors"),
    ("extensions", "registry"),
    ("results", "study"),
    ("training", "metrics"),
}
# Outside libraries that only some parts may touch.
CONFINED = {
    "ray": {"trainables", "execution"},
    "mlflow": {"tracking", "results", "execution"},
    "torch": {
        "bench",
        "commands",
        "compat",
        "data",
        "losses",
        "nets",
        "priors",
        "metrics",
        "training",
        "trial_run",
        "calibration",
        "trainables",
    },
    "yaml": {"study"},
    "rich": {"execution"},
    "pandas": {"results"},
    "matplotlib": {"results"},
    "sqlalchemy": {"tracking", "results"},
}
TORCH_ALONE = ("losses", "nets", "priors")


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE).with_suffix(""))
        yield name, name.partition("/")[0], ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all that is imported, inside functions too, but not for typing alone."""
    for node in _run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            assert node.module is not None
            yield node.module


def _run_time(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _run_time(child)


def height(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


def test_every_part_has_a_layer() -> None:
    parts = {part for _, part, _ in modules()} - {"__init__", "__main__"}
    assert parts <= {part for layer in LAYERS for part in layer}


def test_imports_go_downwards() -> None:
    wrong = []
    for name, part, tree in modules():
        for imported in imports(tree):
            package, _, rest = imported.partition(".")
            target = rest.partition(".")[0]
            if package != "introsearch" or not target or part in ("__init__", "__main__", target):
                continue
            sideways = height(target) == height(part) and (part, target) not in SIDEWAYS
            if height(target) > height(part) or sideways:
                wrong.append(f"{name} imports {imported}")
    assert not wrong


def test_libraries_stay_where_they_belong() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, part, tree in modules()
        for imported in imports(tree)
        if part not in CONFINED.get(imported.partition(".")[0], {part})
    ]
    assert not wrong


def test_the_science_imports_torch_alone() -> None:
    allowed = {"torch", "introsearch", "__future__", *sys.stdlib_module_names}
    wrong = [
        f"{name} imports {imported}"
        for name, part, tree in modules()
        if part in TORCH_ALONE
        for imported in imports(tree)
        if imported.partition(".")[0] not in allowed
    ]
    assert not wrong


STUDY = """\
name: light
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [variant]
seeds: {select: [0], report: [1]}
parameters: {dataset: rings, beta_kl: {values: [0.1, 0.2]}}
variants: {sg: {prior: gaussian}}
"""
MAIN = "import introsearch.cli; code = introsearch.cli.main({arguments})"
LIGHT = {"ray", "mlflow", "torch", "torchvision", "pandas", "matplotlib"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        (
            "import introsearch.losses.sintrovae, introsearch.losses.vae, introsearch.nets.mlp, "
            "introsearch.priors.mixture, introsearch.priors.vamp",
            LIGHT - {"torch"},
        ),
        ("import introsearch.collapse.predict", LIGHT),
        ("import introsearch.training.sintrovae", {"ray", "mlflow", "torchvision"}),
        (MAIN.format(arguments=["--help"]), LIGHT),
        (MAIN.format(arguments=["plan", "good.yaml"]), LIGHT),
        (MAIN.format(arguments=["plan", "good.yaml", "--cluster", "slurm.yaml"]), LIGHT),
        (MAIN.format(arguments=["plan", "bad.yaml"]), LIGHT),
        (MAIN.format(arguments=["run", "bad.yaml"]), LIGHT),
        (MAIN.format(arguments=["run", "missing.yaml"]), LIGHT),
        (MAIN.format(arguments=["run", "good.yaml", "--tracking-uri", "nonsense"]), LIGHT),
        (MAIN.format(arguments=["report", "light"]), LIGHT),
        (MAIN.format(arguments=["status", "light"]), LIGHT),
        (MAIN.format(arguments=["replay", "0123456789ab-s0"]), LIGHT),
        (MAIN.format(arguments=["ui"]), LIGHT),
        (MAIN.format(arguments=["bench", "bad.yaml"]), LIGHT),
        (MAIN.format(arguments=["collapse", "predict", "--data", "missing.npy"]), LIGHT),
    ],
)
def test_what_is_not_needed_is_not_imported(
    tmp_path: Path, statement: str, forbidden: set[str]
) -> None:
    (tmp_path / "good.yaml").write_text(STUDY)
    (tmp_path / "bad.yaml").write_text(STUDY + "nonsense: 1\n")
    (tmp_path / "slurm.yaml").write_text("type: slurm\nsbatch: {nodes: 2}\n")
    names = {path.name for path in tmp_path.iterdir()}
    code = (
        "import sys\n"
        f"try: {statement}\n"
        "except SystemExit: pass\n"
        f"print(sorted({forbidden!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert {path.name for path in tmp_path.iterdir()} == names
