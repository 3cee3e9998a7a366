"""Extensions of the user's own, named by dotted path: found, checked, and refused in words."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from introsearch.errors import ConfigError
from introsearch.extensions import (
    KINDS,
    add_module_folders,
    check_name,
    load,
    metrics_for,
    misfit,
    resolve,
)
from introsearch.registry import METRICS, PRIORS, TRAINERS, is_costly
from introsearch.settings.base import resolve_settings
from introsearch.study.file.document import dump
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, select_trials
from introsearch.study.sections import Resources
from introsearch.trial.order import order_of
from introsearch.trial.run import TrialRun

pytestmark = pytest.mark.usefixtures("small_grid")

MODULE = '''\
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field

from introsearch.data.base import Data
from introsearch.data.toy import ToyData
from introsearch.priors.base import MixturePrior, Prior
from introsearch.training.base import Trainer
from introsearch.settings.base import TrainerSettings
from introsearch.settings.model import Many, Number, Whole
from introsearch.settings.vae import VAESettings
from introsearch.training.vae.vae import VAE


class Line(ToyData):
    def sample(self, n, generator):
        x = 2 * torch.rand(n, 1, generator=generator, device=generator.device)
        return torch.cat([x, 0.5 * x], dim=1)


class Sounds(Data):
    kind = "sounds"

    def sample(self, n, generator):
        return torch.rand(n, 8, generator=generator)


class Wide(Prior):
    """Not made of Gaussians that anyone could draw."""

    def __init__(self, latent_dim):
        super().__init__()
        self.log_scale = torch.nn.Parameter(torch.zeros(latent_dim))

    @classmethod
    def create(cls, context):
        return cls(context.latent_dim).to(context.generator.device)

    def log_prob(self, z, *, frozen=False):
        log_scale = self.log_scale.detach() if frozen else self.log_scale
        return torch.distributions.Normal(0.0, log_scale.exp()).log_prob(z).sum(dim=-1)

    def sample(self, n, generator):
        noise = torch.randn(n, len(self.log_scale), generator=generator)
        return noise.to(self.log_scale) * self.log_scale.exp()


def spread(view, generator):
    return view.decoder(view.prior.sample(100, generator)).std()


def one(view, generator):
    return 1


class Cautious(VAE):
    class Settings(VAESettings):
        """How cautious to be."""

        caution: Number = Field(0.5, ge=0, lt=1, description="how cautious to be")
        manner: Literal["plain", "fancy"] = "plain"
        shares: Many[Number] = (0.5, 0.5)
        limit: Whole | None = None


class Plain(VAE):
    pass


class Former(VAE):
    @dataclass(frozen=True, kw_only=True)
    class Settings(VAESettings):
        caution: float = 0.5


class Strange(VAE):
    class Settings(VAESettings):
        table: dict = None


class Strict(VAE):
    class Settings(VAESettings):
        shares: tuple[float, ...] = (0.5,)


class Fixed(VAE):
    class Settings(VAESettings):
        components: Whole = Field(7, ge=1)
        coin: Literal["heads", "tails"] = Field("heads")
        word: str = Field("a", pattern="^[ab]$")


class Inherited(VAE):
    class Settings(Former.Settings):
        pass


class Checked(VAE):
    class Settings(VAESettings):
        def __post_init__(self):
            raise ValueError("checked no more")


class Renamed(VAE):
    class Settings(VAESettings):
        caution: Number = Field(0.5, alias="care")


class Raising(VAE):
    class Settings(VAESettings):
        def contradictions(self):
            return None


class Doubtful(VAE):
    class Settings(VAESettings):
        caution: Number = 0.5

        def contradictions(self):
            yield from super().contradictions()
            if self.caution > self.beta_kl:
                raise ValueError("more caution than beta_kl")


class Demanding(VAE):
    class Settings(Cautious.Settings):
        must: Whole


class Loose(Cautious):
    Settings = dict


class Idle(Trainer):
    Settings = VAESettings


class Unfinished(Prior):
    pass


def lonely(view):
    return 0.0
'''
_NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a module that lies beside the study file and was never imported before."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"extensions_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Study]:
    def load_it(text: str, *overrides: str) -> Study:
        path = tmp_path / "study.yaml"
        path.write_text(text)
        return load_study(path, overrides=overrides)

    return load_it


def study_text(module: str) -> str:
    return f"""\
name: own
trainer: {module}:Cautious
metric: {{name: {module}:spread, goal: maximize}}
metrics:
  - {{name: {module}:one, goal: minimize}}
groups: [dataset, variant]
seeds: {{select: [0], report: [1]}}
parameters:
  dataset: {{values: [rings, {module}:Line]}}
  beta_kl: {{values: [0.1, 0.2]}}
  iterations: 4
  hidden_units: 8
  batch_size: 8
  num_draws: 2
variants:
  careful: {{caution: 0.9, prior: {module}:Wide}}
  three_players: {{trainer: sintrovae, prior: {module}:Wide, intro_prior: true,
                   warmup_iterations: 2, handover_iterations: 1}}
evaluate_every: 2
"""


def test_a_study_of_extensions_trains(module: str, load_text: Callable[..., Study]) -> None:
    study = load_text(study_text(module))
    expansion = expand(study)
    assert f"{module}:Line / careful" in expansion.groups
    assert list(study.metric_goals.items())[:2] == [
        (f"{module}:spread", "maximize"),
        (f"{module}:one", "minimize"),
    ]
    trials = {t.configuration.groups[0]: t for t in select_trials(study, expansion)}
    for group in (f"{module}:Line / careful", f"{module}:Line / three_players"):
        order = order_of(study, trials[group], resources=Resources(), folder="")
        drawn: list[str] = []
        run = TrialRun(order, keep_figure=lambda name, at, png, drawn=drawn: drawn.append(name))  # type: ignore[misc]
        evaluation = [run.step(), run.step()][-1]
        assert evaluation.metrics[f"{module}:one"] == 1.0
        assert evaluation.metrics[f"{module}:spread"] > 0
        applicable = metrics_for(order.trainer, order.settings)
        assert set(evaluation.metrics) >= {n for n in applicable if not is_costly(n)}
        assert evaluation.status == "finished"
        assert drawn == ["model"]
        assert run.trainer.evaluate(["gnelbo_e7"])["gnelbo_e7"] > 0
        again = TrialRun(order)
        again.load_state_dict(run.state_dict())
        assert again.trainer.evaluate(["hist_kl"]) == run.trainer.evaluate(["hist_kl"])


def test_the_identity_has_the_path_as_written(module: str, load_text: Callable[..., Study]) -> None:
    study = load_text(study_text(module))
    mine = next(c for c in expand(study).configurations if "careful" in c.variants)
    assert (mine.trainer, mine.settings["prior"]) == (f"{module}:Cautious", f"{module}:Wide")
    again = load_text(dump(study.to_dict()))
    assert again == study
    assert expand(again).configurations == expand(study).configurations


def test_workers_find_what_lies_beside_the_study(tmp_path: Path, module: str) -> None:
    """A worker starts in another folder and knows only the order."""
    (tmp_path / "study.yaml").write_text(study_text(module))
    study = load_study(tmp_path / "study.yaml")
    order = order_of(
        study, select_trials(study, expand(study))[0], resources=Resources(), folder=""
    )
    code = (
        "from introsearch.trial.order import TrialOrder\n"
        "from introsearch.trial.run import TrialRun, prepare_process\n"
        f"order = TrialOrder(**{order.to_dict()!r})\n"
        "prepare_process(order)\n"
        "print(TrialRun(order).step().iteration)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr


def test_a_file_of_the_users_hides_no_installed_module(
    tmp_path: Path, module: str, load_text: Callable[..., Study]
) -> None:
    load_text(study_text(module))
    assert sys.path.index(str(tmp_path)) >= len(sys.path) - 2


# (replaced text, replacement, key, line, words of the message, words of the hint); M is the module
EDITS = [
    ("trainer: M:Cautious", "trainer: M:Cautios", "trainer", 2, "has no 'Cautios'", "'Cautious'"),
    ("M:Cautious", "no_such:Trainer", "trainer", 2, "no module 'no_such'", "beside the study"),
    ("M:Cautious", "torch.no_such:Trainer", "trainer", 2, "'torch.no_such'", "beside the study"),
    ("M:Cautious", "M.Cautious", "trainer", 2, "unknown trainer", "did you mean M:Cautious?"),
    ("M:Cautious", "./M.py:Cautious", "trainer", 2, "no path", "my_module:MyTrainer"),
    ("M:Cautious", "'M:'", "trainer", 2, "no path", "my_module:MyTrainer"),
    ("M:Cautious", "M:Line", "trainer", 2, "is not a trainer", "training.base:Trainer"),
    ("M:Cautious", "M:Idle", "trainer", 2, "not define advance, evaluate", "base:Trainer"),
    ("M:Cautious", "M:Former", "trainer", 2, "a dataclass", "pydantic"),
    ("M:Cautious", "M:Inherited", "trainer", 2, "a dataclass", "pydantic"),
    ("M:Cautious", "M:Checked", "trainer", 2, "a __post_init__", "pydantic"),
    ("M:Cautious", "M:Renamed", "trainer", 2, "another name: caution", "pydantic"),
    ("{caution: 0.9,", "{trainer: M:Raising,", "parameters", 8, "raise TypeError", "fill returns"),
    ("{caution: 0.9,", "{trainer: M:Fixed, word: c,", "variants.careful.word", 16,
     "match pattern", "e.g. word: a"),
    ("M:Cautious", "M:Doubtful", "parameters", 8, "more caution than", "change"),
    ("{caution: 0.9", "{trainer: M:Strict, shares: [1]", "variants.careful.shares", 16,
     "list of finite", "Many"),
    ("M:Cautious", "M:Loose", "trainer", 2, "no Settings", "TrainerSettings"),
    ("M:Cautious", "M:Strange", "trainer", 2, "express: table: <class 'dict'>", "pydantic"),
    ("M:Cautious", "M:Demanding", "parameters.must", 8, "'must' is missing", "add must"),
    ("M:Cautious", "M:Plain", "variants.careful.caution", 16, "no setting 'caution'", "Legal"),
    ("name: M:spread", "name: M:spred", "metric.name", 3, "has no 'spred'", "'spread'"),
    ("name: M:spread", "name: M:lonely", "metric.name", 3, "not a metric", "(view, generator)"),
    ("name: M:spread", "name: M:Line", "metric.name", 3, "not a metric", "(view, generator)"),
    (", goal: maximize", "", "metric.goal", 3, "'goal' is missing", "goal: minimize"),
    ("goal: maximize", "goal: max", "metric.goal", 3, "'max'", "maximize"),
    ("M:one, goal: minimize", "M:one", "metrics.0.goal", 5, "missing", "goal: minimize"),
    ("name: M:one", "name: M:spread", "metrics.0.name", 5, "twice", "keep one"),
    ("name: M:one", "name: hist_kl", "metrics.0.name", 5, "reported wherever it applies", "remove"),
    ("{name: M:one, goal: minimize}", "M:one", "metrics.0", 5, "keys and values", "name: ..."),
    ("rings, M:Line", "rings, M:Lime", "parameters.dataset.values.1", 9, "no 'Lime'", "'Line'"),
    ("rings, M:Line", "rings, M:Wide", "parameters.dataset.values.1", 9, "not a data", "sample"),
    ("prior: M:Wide}", "prior: M:Line}", "variants.careful.prior", 16, "not a prior", "log_prob"),
    ("prior: M:Wide}", "prior: M:Unfinished}", "variants.careful.prior", 16, "create", "sample"),
    ("caution: 0.9", "cauton: 0.9", "variants.careful.cauton", 16, "no setting", "'caution'"),
    ("caution: 0.9", "caution: 1", "variants.careful.caution", 16, "below 1", "caution"),
    ("caution: 0.9", "manner: odd", "variants.careful.manner", 16, "unknown manner", "fancy"),
    ("caution: 0.9", "shares: [x]", "variants.careful.shares.0", 16, "finite number", "shares"),
    ("caution: 0.9", "shares: 0.5", "variants.careful.shares", 16, "list of finite", "shares"),
    ("caution: 0.9", "limit: 1.5", "variants.careful.limit", 16, "whole number", "limit"),
    ("intro_prior: true", "r_entropy: 1", "variants.three_players.r_entropy", 17, "no mixture",
     "MixturePrior"),
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda e: e[1][:40].strip())
def test_wrong_extensions(
    edit: tuple[str, str, str, int, str, str], module: str, load_text: Callable[..., Study]
) -> None:
    text = study_text(module)
    old, new, key, line, message, hint = (
        part.replace("M:", f"{module}:").replace("M.", f"{module}.")
        if isinstance(part, str)
        else part
        for part in edit
    )
    assert old in text
    with pytest.raises(ConfigError) as caught:
        load_text(text.replace(old, new, 1))
    error = caught.value
    assert (error.key, error.line) == (key, line), str(error)
    assert error.file.endswith("study.yaml")
    assert message in error.message, str(error)
    assert hint in error.hint, str(error)


@pytest.mark.parametrize(
    ("code", "message", "place"),
    [
        ("import torch\n\nx = undefined_name\n", "NameError", ".py:3"),
        ("def f(:\n", "SyntaxError", ".py:1"),
        ("import no_such_dependency\n", "no_such_dependency", ".py:1"),
        ("import sys\nsys.exit(3)\n", "SystemExit", ".py:2"),
        (
            "from introsearch.settings.base import TrainerSettings\n"
            "class Settings(TrainerSettings):\n    odd: object.__init__ = 0\n",
            "Pydantic",
            "",
        ),
    ],
)
def test_a_module_that_cannot_be_imported(
    code: str,
    message: str,
    place: str,
    module: str,
    tmp_path: Path,
    load_text: Callable[..., Study],
) -> None:
    (tmp_path / f"{module}.py").write_text(code)
    with pytest.raises(ConfigError, match=f"cannot import {module}: .*{message}") as caught:
        load_text(study_text(module))
    assert f"{module}{place}" in caught.value.message
    assert (caught.value.key, caught.value.line) == ("trainer", 2)


ANY_DATA = "responsibility_entropy active_units active_pairs"
OF_MODES = (
    "active_units active_pairs active_modes predicted_modes mode_kl predicted_kl kl_gap lam_gap "
    "loss_gap nll_test"
)
OF_TWO = "active_modes_z2 predicted_modes_z2 mode_kl_z2 predicted_kl_z2 active_units_z2"
OF_IMAGES = (
    "fid_gen fid_rec kid_gen precision_gen recall_gen svm_2k svm_10k knn_5 knn_100 rec_test "
    "kl_test prior_logvar_max"
)
OF_LATENTS = "mmd_latent mmd_null latent_nll effective_share sampling_ms"
OF_POINTS = "hist_kl_paper hist_jsd_paper hist_kl hist_jsd gnelbo_e7"


@pytest.mark.parametrize(
    ("trainer", "settings", "names"),
    [
        ("vae", {"dataset": "rings"}, f"{ANY_DATA} {OF_POINTS}"),
        ("vae", {"dataset": "latent_shifted"}, f"{ANY_DATA} {OF_LATENTS} latent_kl"),
        ("sintrovae", {"dataset": "digits"}, f"{ANY_DATA} {OF_IMAGES} {OF_LATENTS}"),
        ("evalp", {"dataset": "digits"}, f"{ANY_DATA} {OF_IMAGES} {OF_LATENTS}"),
        ("MODULE:Cautious", {"dataset": "MODULE:Line"}, f"{ANY_DATA} {OF_POINTS}"),
        ("MODULE:Cautious", {"dataset": "MODULE:Sounds"}, ANY_DATA),
        ("MODULE:Cautious", {}, f"{ANY_DATA} {OF_POINTS}"),
        ("collapse_vae", {"dataset": "digits"}, f"{OF_MODES} omega_gap"),
        ("collapse_vae", {"dataset": "digits", "activation": "relu"}, OF_MODES),
        ("collapse_cvae", {"dataset": None, "activation": "linear"}, f"{OF_MODES} omega_gap"),
        ("collapse_hvae", {"activation": "linear"}, f"{OF_MODES} {OF_TWO} omega_gap"),
        ("collapse_hvae", {"activation": "relu"}, f"{OF_MODES} {OF_TWO}"),
    ],
)
def test_which_metrics_apply(
    trainer: str, settings: dict[str, str], names: str, module: str, tmp_path: Path
) -> None:
    add_module_folders([tmp_path])
    own = {k: v and v.replace("MODULE", module) for k, v in settings.items()}
    found = metrics_for(trainer.replace("MODULE", module), own)
    assert set(found) == set(names.split())
    assert found == [name for name in METRICS if name in found]  # columns of tables


@pytest.mark.parametrize(
    ("metric", "trainer", "settings", "why"),
    [
        ("hist_kl", "vae", {"dataset": "rings"}, ""),
        ("hist_kl", "vae", {"dataset": "digits"}, "is for points, and dataset: digits has none"),
        ("hist_kl", "collapse_vae", {}, "is not a metric of trainer: collapse_vae"),
        ("kl_gap", "vae", {"dataset": "digits"}, "is not a metric of trainer: vae"),
        ("kl_gap", "my:Own", {}, "is not a metric of trainer: my:Own"),
        ("fid_gen", "my:Own", {}, "is for images, and trainer: my:Own has none"),
        (
            "mmd_latent",
            "vae",
            {"dataset": "rings"},
            "is for images or latents, and dataset: rings has none",
        ),
        ("mode_kl_z2", "collapse_cvae", {}, "is not a metric of trainer: collapse_cvae"),
        ("omega_gap", "collapse_vae", {}, ""),
        ("omega_gap", "collapse_vae", {"activation": "relu"}, "is only for activation: linear"),
    ],
)
def test_why_a_metric_does_not_apply(
    metric: str, trainer: str, settings: dict[str, str], why: str
) -> None:
    assert misfit(metric, trainer, settings=settings) == why


def test_values_that_own_fields_allow(module: str, load_text: Callable[..., Study]) -> None:
    load_text(study_text(module))
    values = {"shares": [1, 0.5], "limit": None, "manner": "fancy"}
    settings = resolve_settings(f"{module}:Cautious", values)
    assert settings.shares == (1.0, 0.5)  # type: ignore[attr-defined]
    assert settings.warmup_end == 0


def test_own_settings_replace_those_that_are_filled_in(
    module: str, load_text: Callable[..., Study]
) -> None:
    load_text(study_text(module))
    settings = resolve_settings(f"{module}:Fixed", {"prior": "mog", "iterations": 4})
    assert settings.components == 7  # type: ignore[attr-defined]
    assert resolve_settings("vae", {"prior": "mog"}).components == 64  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TRAINERS)
def test_registered_trainers_keep_the_contract_of_foreign_ones(name: str) -> None:
    trainer = resolve("trainer", name)
    assert trainer.Settings is load(TRAINERS[name].settings)
    check_name("trainer", TRAINERS[name].trainer)


@pytest.mark.parametrize("kind", KINDS)
def test_registered_extensions_keep_the_contract_of_foreign_ones(kind: str) -> None:
    for name in KINDS[kind].names:
        found = resolve(kind, name)
        assert resolve(kind, f"{found.__module__}:{found.__name__}") is found


def test_a_prior_made_of_no_gaussians_has_no_components() -> None:
    parts = load("introsearch.priors.base:Prior")().components()
    assert [len(p) for p in parts] == [0, 0, 0]
    assert len(resolve("prior", next(iter(PRIORS)))(2).components().mu) == 1
    assert torch.is_tensor(parts.mu)
