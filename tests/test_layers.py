"""Imports go downwards only, and what should start fast imports nothing slow."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from introsearch.commands.arguments import COMMANDS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "introsearch"

# From the bottom up. A room is a folder, or a module that stands on its own; it may import rooms
# further down, and itself. Rooms on one line may not import each other.
LAYERS = (
    ("editions", "errors", "files", "registry", "sample_sizes", "statuses", "wording"),
    ("extensions",),
    ("losses", "nets", "theory"),
    ("priors", "data"),
    ("metrics",),
    ("settings",),
    ("training",),
    ("training.vae",),
    ("training.latent", "training.shallow", "study"),
    ("study.stopping",),
    ("study.search",),
    ("study.file",),
    ("cluster", "figures"),
    ("figures.models",),
    ("trial",),
    ("results",),
    ("results.tables",),
    ("results.result",),
    ("results.report", "results.status", "papers", "planning", "bench"),
    ("record",),
    ("replay", "execution"),
    ("execution.preflight", "execution.ray", "execution.slurm"),
    ("execution.slurm.job",),
    ("execution.study_runner", "execution.slurm_job", "execution.slurm_node"),
    ("execution.session",),
    ("commands",),
    ("cli",),
)
HEIGHT = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}
# Outside libraries, and the only rooms that may touch them.
CONFINED = {
    "ray": {"trial", "execution"},
    "mlflow": {"record"},
    "sqlalchemy": {"record"},
    "jinja2": {"results"},
    "pydantic": {"cluster", "settings", "study"},
    "yaml": {"study"},
    "rich": {"execution", "replay", "results"},
    "pandas": {"figures", "papers", "record", "results"},
    "matplotlib": {"figures", "papers", "results"},
    "torch": {
        "bench", "data", "losses", "metrics", "nets", "planning", "priors", "training",
        "trial",
    },
}  # fmt: skip
TORCH_ALONE = ("losses", "nets", "priors")
BESIDE = ("study", "training")  # neither of which may import the other


def modules() -> dict[str, ast.Module]:
    """Every module by its name within the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return {name: tree for name, tree in found.items() if name not in ("__init__", "__main__")}


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all that is imported, inside functions too, but not for typing alone."""
    for node in _run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name.removeprefix("introsearch.") in MODULES else node.module


def _run_time(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _run_time(child)


def inside(tree: ast.Module) -> set[str]:
    """The package's own modules that one of them imports."""
    return {
        name.removeprefix("introsearch.")
        for name in imports(tree)
        if name.startswith("introsearch.")
    }


def room_of(module: str) -> str:
    """The room that a module is in."""
    while module not in HEIGHT:
        module = module.rpartition(".")[0]
        assert module, "a module in no room"
    return module


def part_of(module: str) -> str:
    return module.partition(".")[0]


def test_imports_go_downwards() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in MODULES.items()
        for imported in inside(tree)
        if room_of(name) != room_of(imported) and HEIGHT[room_of(imported)] >= HEIGHT[room_of(name)]
    ]
    assert not wrong


def test_study_and_training_stand_beside_each_other() -> None:
    for name, tree in MODULES.items():
        if part_of(name) in BESIDE:
            others = {part_of(imported) for imported in inside(tree)} & {*BESIDE}
            assert others <= {part_of(name)}, name


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {name: inside(tree) for name, tree in MODULES.items()}
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets for name, targets in graph.items() if name not in leaves}
    assert not graph


def test_libraries_stay_where_they_belong() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in MODULES.items()
        for imported in imports(tree)
        if part_of(name) not in CONFINED.get(imported.partition(".")[0], {part_of(name)})
    ]
    assert not wrong


def test_replaying_and_looking_need_no_ray() -> None:
    found, new = set(), {"replay.repeat", "replay.text", "record.status", "results.status.text"}
    while new:
        found |= new
        new = {imported for name in new for imported in inside(MODULES[name])} - found
    assert not [n for n in found for i in imports(MODULES[n]) if i.partition(".")[0] == "ray"]


def test_the_science_imports_torch_alone() -> None:
    allowed = {"torch", "introsearch", "__future__", *sys.stdlib_module_names}
    wrong = [
        f"{name} imports {imported}"
        for name, tree in MODULES.items()
        if part_of(name) in TORCH_ALONE
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
HELP = (
    f"[__import__('introsearch.cli').cli.main([c, '--help']) for c in {[c.name for c in COMMANDS]}]"
)
LIGHT = {"ray", "mlflow", "torch", "torchvision", "pandas", "matplotlib"}
HEAVY = LIGHT | {"numpy", "scipy", "sklearn", "optuna", "sqlalchemy", "rich", "yaml", "pydantic"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        (
            "import introsearch.losses.sintrovae, introsearch.losses.vae, introsearch.nets.mlp, "
            "introsearch.priors.mixture, introsearch.priors.vamp",
            LIGHT - {"torch"},
        ),
        ("import introsearch.theory.predict", LIGHT),
        (
            "import introsearch.results.statistics, introsearch.results.tables.results, "
            "introsearch.figures.models.points",
            {"torch", "ray", "mlflow", "matplotlib.pyplot"},
        ),
        ("import introsearch.training.vae.sintrovae", {"ray", "mlflow", "torchvision"}),
        ("import introsearch", HEAVY),
        (MAIN.format(arguments=["--help"]), HEAVY),
        (HELP, HEAVY),
        (MAIN.format(arguments=["plan", "good.yaml"]), LIGHT),
        (MAIN.format(arguments=["plan", "good.yaml", "--cluster", "slurm.yaml"]), LIGHT),
        (MAIN.format(arguments=["plan", "bad.yaml"]), LIGHT),
        (MAIN.format(arguments=["run", "bad.yaml"]), LIGHT),
        (MAIN.format(arguments=["run", "missing.yaml"]), LIGHT),
        (MAIN.format(arguments=["run", "good.yaml", "--tracking-uri", "nonsense"]), LIGHT),
        (MAIN.format(arguments=["run", "good.yaml", "--detach"]), LIGHT),
        (MAIN.format(arguments=["report", "light"]), LIGHT),
        (MAIN.format(arguments=["status", "light"]), LIGHT),
        (MAIN.format(arguments=["replay", "0123456789ab-s0"]), LIGHT),
        (MAIN.format(arguments=["ui"]), LIGHT),
        (MAIN.format(arguments=["bench", "bad.yaml"]), LIGHT),
        (MAIN.format(arguments=["schema", "study"]), LIGHT),
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
        f"try: exec({statement!r})\n"
        "except SystemExit: pass\n"
        f"print(sorted({forbidden!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert {path.name for path in tmp_path.iterdir()} == names
