"""Bad study files: each is refused with its file, line, key and a hint, before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from introsearch.errors import ConfigError
from introsearch.study.file.loader import load_study
from introsearch.study.model import Study

Load = Callable[..., Study]

# (replaced text, replacement, key, line, word of the message, word of the hint)
EDITS = [
    ("method: grid", "metod: grid", "metod", 3, "unknown key", "'method'"),
    ("eta: 3}", "eta: 3, min_active_units: 0}", "early_terminate.min_active_units", 18,
     "at least 1", ""),
    ("eta: 3}", "eta: 3, min_active_units: 3}", "early_terminate.min_active_units", 18,
     "latent_dim: 2", "at most 2"),
    ("method: grid", "metod:", "metod", 3, "unknown key", "'method'"),
    ("eta: 3}", "etta: null}", "early_terminate.etta", 18, "unknown key", "'eta'"),
    ("{name: hist_kl_paper}", "{nam: hist_kl}", "metric.name", 4, "missing", "hist_kl_paper"),
    ("values: [0.1, 0.3]", "by: dataset, values: {}", "parameters.beta_kl.values", 9, "is empty",
     "at least one"),
    ("values: [0.1, 0.3]", "by: 3, values: {a: 1}", "parameters.beta_kl.by", 9, "text",
     "by: other"),
    ("  sg: {prior: gaussian}", "  sg: 1", "variants.sg", 13, "keys and values", "trainer"),
    ("name: small", "tpe: []", "tpe", 1, "keys and values", "num_startup"),
    ("eta: 3}", "etta: 3}", "early_terminate.etta", 18, "unknown key", "'eta'"),
    ("{times:", "{tims:", "parameters.beta_neg.tims", 10, "unknown key", "'times'"),
    ("beta_kl: {v", "beta_kll: {v", "parameters.beta_kll", 9, "no setting", "'beta_kl'"),
    ("  iterations:", "  iteratons:", "parameters.iteratons", 11, "no setting", "'iterations'"),
    ("[8gaussians, rings]", "[8gaussians, ring]", "parameters.dataset.values.1", 8, "ring", "gs"),
    ("{values: [8gaussians, rings]}", "spirals", "parameters.dataset", 8, "spirals", "2spirals"),
    ("trainer: sintrovae", "trainer: sintro", "trainer", 2, "sintro", "'sintrovae'"),
    ("{name: hist_kl_paper}", "{name: hist_kl_papr}", "metric.name", 4, "papr", "'hist_kl_paper'"),
    ("hist_kl_paper", "sampling_ms", "metric.name", 4, "wall time", "another metric"),
    ("paper}", "paper, goal: maximize}", "metric.goal", 4, "contradicts", "minimize"),
    ("hist_kl_paper}", "mode_kl}", "metric.goal", 4, "missing", "goal: minimize"),
    ("paper}", "paper, goal: small}", "metric.goal", 4, "small", "minimize"),
    ("{name: hist_kl_paper}", "hist_kl_paper", "metric", 4, "keys and values", "name: ..."),
    ("method: grid", "method: bayes", "method", 3, "bayes", "grid, random, tpe"),
    ("method: grid", "method: random", "budget.max_trials", 1, "missing", "max_trials"),
    ("[dataset, variant]", "[dataset, varant]", "groups.1", 5, "varant", "'variant'"),
    ("[dataset, variant]", "[components]", "groups.0", 5, "components", "dataset"),
    ("[dataset, variant]", "[dataset, dataset]", "groups.1", 5, "twice", "keep one"),
    ("[dataset, variant]", "[[dataset]]", "groups.0", 5, "must be text", "variant"),
    ("[dataset, variant]", "[]", "groups", 5, "empty", "variant"),
    ("values: [0.1, 0.3]", "values: []", "parameters.beta_kl.values", 9, "empty", "at least one"),
    ("values: [0.1, 0.3]", "values: 0.1", "parameters.beta_kl.values", 9, "a list", "[...]"),
    ("values: [0.1, 0.3]", "min: 1", "parameters.beta_kl", 9, "values or a distribution", "write"),
    ("[0.1, 0.3]", "[0.1, {a: 1}]", "parameters.beta_kl.values.1", 9, "a value", "write"),
    ("[0.1, 0.3]", "[0.1, -0.3]", "parameters.beta_kl.values.1", 9, "-0.3", "beta_kl"),
    ("[0.1, 0.3]", "[0.1, .nan]", "parameters.beta_kl.values.1", 9, "finite", "beta_kl"),
    ("[0.1, 0.3]", "[0.1, no]", "parameters.beta_kl.values.1", 9, "number", "beta_kl"),
    ("{values: [0.1, 0.3]}", "{times: beta_neg, values: [1]}", "parameters.beta_kl", 9,
     "beta_kl -> beta_neg -> beta_kl", "values of its own"),
    ("{values: [0.1, 0.3]}", "[0.1, 0.3]", "parameters.beta_kl", 9, "a finite number",
     "to try each: beta_kl: {values: [0.1, 0.3]}"),
    ("components: 8", "components: [4, 8]", "variants.ip.components", 16, "a whole number",
     "to try each: components: {values: [4, 8]}"),
    ("times: beta_kl", "times: dataset", "parameters.beta_neg", 10, "multiply", "numbers"),
    ("{values: [0.1, 0.3]}", "{distribution: uniform, min: 0.1, max: 1}",
     "parameters.beta_kl.distribution", 9, "grid", "method: random"),
    ("{values: [0.1, 0.3]}", "{by: dataset, values: {8gaussians: 1}}", "parameters.beta_kl", 9,
     "rings", "8gaussians"),
    ("select: [0]", "select: [0, 2]", "seeds.report", 6, "optimistic", "reuse_seeds"),
    ("select: [0]", "select: [0, 0]", "seeds.select.1", 6, "twice", "keep one"),
    ("select: [0]", "select: [-1]", "seeds.select.0", 6, "-1", "e.g."),
    ("select: [0]", "select: [0.5]", "seeds.select.0", 6, "0.5", "e.g."),
    ("select: [0]", "select: [true]", "seeds.select.0", 6, "True", "e.g."),
    ("select: [0]", "select: 0", "seeds.select", 6, "a list", "[...]"),
    ("select: [0]", "select: []", "seeds.select", 6, "4 configurations", "select: [0]"),
    ("report: [1, 2]", "report: []", "seeds.report", 6, "empty", "report:"),
    ("min_iter: 3000", "min_iter: 30000", "early_terminate.min_iter", 18, "not below", "max_iter"),
    ("min_iter: 3000", "min_iter: 2000", "early_terminate.min_iter", 18, "warm-up", "2,001"),
    ("min_iter: 3000", "min_iter: 2500", "early_terminate.min_iter", 18, "multiple", "3000"),
    ("min_iter: 3000, ", "", "early_terminate.min_iter", 18, "missing", "min_iter"),
    ("max_iter: 30000", "max_iter: 40000", "early_terminate.max_iter", 18, "40,000", "30,000"),
    ("eta: 3", "eta: 1", "early_terminate.eta", 18, "at least 2", "eta"),
    ("hist_kl_paper", "gnelbo_e7", "early_terminate", 18, "costly", "cheap"),
    ("prior: gaussian", "prior: gaussian, intro_prior: true", "variants.sg.intro_prior", 13,
     "introspective prior", "mog"),
    ("components: 8", "components: 0", "variants.ip.components", 16, "at least 1", "components"),
    ("components: 8", "components: 8\n    beta_neg: -1", "variants.ip.beta_neg", 17, "-1", "beta"),
    ("components: 8", "components: 1" + "0" * 400, "variants.ip.components", 16, "64 bits", "e.g."),
    ("components: 8", "trainer: vea", "variants.ip.trainer", 16, "vea", "'vae'"),
    ("  sg:", "  s g:", "variants.s g", 13, "cannot name", "letters"),
    ("name: small", "name: ../small", "name", 1, "cannot name", "letters"),
    ("name: small", "name: 12", "name", 1, "cannot name", "letters"),
    ("name: small", "description: [why]", "description", 1, "must be text", "e.g. description"),
    ("name: small", "seed: -1", "seed", 1, "whole number", "seed"),
    ("name: small", "budget: {max_hours: 0}", "budget.max_hours", 1, "above 0", "max_hours"),
    ("name: small", "resources: {gpus: -1}", "resources.gpus", 1, "at least 0", "gpus"),
    ("name: small", "evaluate_every: 0", "evaluate_every", 1, "at least 1", "evaluate_every"),
    ("  beta_neg:", "  beta_kl:", "parameters.beta_kl", 10, "duplicate", "line 9"),
    ("  beta_neg:", "\tbeta_neg:", "", 10, "tab", "spaces"),
    ("trainer: sintrovae\n", "", "trainer", 1, "missing", "add trainer: sintrovae"),
    ("beta_kl: {values", "beta_kl: &a {again: *a, values", "parameters.beta_kl.again", 9,
     "contains itself", "alias"),
    ("[0.1, 0.3]", "!!python/name:os.system x", "parameters.beta_kl.values", 9, "tag", "remove"),
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda e: e[1][:40].strip())
def test_edits(edit: tuple[str, str, str, int, str, str], small: str, load: Load) -> None:
    old, new, key, line, message, hint = edit
    assert old in small
    with pytest.raises(ConfigError) as caught:
        load(small.replace(old, new, 1))
    error = caught.value
    assert (error.key, error.line) == (key, line), str(error)
    assert error.file.endswith("study.yaml")
    assert message in error.message, str(error)
    assert hint in error.hint, str(error)
    assert error.hint


# (replaced text, replacement, line and key of what is wrong with it)
TOGETHER = [
    ("method: grid", "metod: grid", 3, "metod"),
    ("hist_kl_paper", "hist_kl_papr", 4, "metric.name"),
    ("select: [0]", "select: [0, 1]", 6, "seeds.report"),
    ("8gaussians, rings", "8gaussians, ring", 8, "parameters.dataset.values.1"),
    ("[0.1, 0.3]", "[0.1, -0.3]", 9, "parameters.beta_kl.values.1"),
    ("{times:", "{tims:", 10, "parameters.beta_neg.tims"),
    ("iterations:", "iteratons:", 11, "parameters.iteratons"),
    ("components: 8", "components: 8.5", 16, "variants.ip.components"),
    ("intro_prior: true", "intro_prior: 1", 17, "variants.ip.intro_prior"),
    ("eta: 3", "eta: 1", 18, "early_terminate.eta"),
]


def test_all_that_is_wrong_is_said_at_once(small: str, load: Load) -> None:
    text = small
    for old, new, _, _ in TOGETHER:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        load(text)
    found = [(error.line, error.key) for error in caught.value.all]
    assert found == [(line, key) for _, _, line, key in TOGETHER]
    assert all(error.hint and error.file for error in caught.value.all)
    assert str(caught.value).count("hint:") == 10


def test_an_override_at_fault_does_not_bring_back_what_it_replaces(small: str, load: Load) -> None:
    """A vamp prior is legal for the other variant's trainer."""
    text = small.replace("  iterations: 30000", "  iterations: 30000\n  prior: vamp")
    text = text.replace("{prior: gaussian}", "{trainer: vae, beta_neg: null}")
    with pytest.raises(ConfigError) as caught:
        load(text.replace("prior: mog", "prior: {valus: [mog]}"))
    assert [error.key for error in caught.value.all] == ["variants.ip.prior.valus"]


def test_rows_of_a_table_that_a_variant_cannot_reach_are_not_its_faults(load: Load) -> None:
    study = load(
        "trainer: vae\nmetric: {name: hist_kl}\ngroups: [variant]\n"
        "seeds: {select: [0], report: [1]}\n"
        "parameters: {prior: {by: latent_dim, values: {2: mog, 4: vamp}}, iterations: 100}\n"
        "variants:\n  v: {latent_dim: 4}\n"
        "  s: {trainer: sintrovae, latent_dim: 2, warmup_iterations: 9, handover_iterations: 1}\n"
    )
    assert list(study.variants) == ["v", "s"]


def test_ten_errors_are_shown(small: str, load: Load) -> None:
    more = "".join(f"nonsense_{i}: 1\n" for i in range(13))
    with pytest.raises(ConfigError, match=r"\nand 3 more$") as caught:
        load(small + more)
    assert len(caught.value.all) == 13


def test_contradictions_are_said_at_once_and_once(small: str, load: Load) -> None:
    text = small.replace("iterations: 30000", "iterations: 1000\n  lr_milestones: [5, 4]")
    text = text.replace("prior: gaussian", "prior: gaussian, intro_prior: true, r_entropy: 2")
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value).count("must be positive and increasing") == 1
    assert [error.key for error in caught.value.all] == [
        "parameters.warmup_iterations",
        "parameters.lr_milestones",
        "variants.sg.intro_prior",
        "variants.sg.r_entropy",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("just words", 1, "keys and values"),
        ("- a\n- b\n", 1, "a list"),
        ("a: [1,\n", 2, "not YAML"),
        ("a: 1\nb: {c: 'x\n", 3, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb: *c\n", 2, "not YAML"),
        ("a: \x00\n", 1, "not YAML"),
        ("[" * 5000, 1, "nested"),
        ("{[1]: 2}", 1, "a key"),
        ("a: 1\n\tb: 2\n", 2, "tab"),
    ],
)
def test_not_a_study(text: str, line: int, message: str, load: Load) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(text)
    assert caught.value.line == line
    assert caught.value.hint


def test_aliases_cannot_explode(load: Load) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ConfigError, match="100,000"):
        load("\n".join(lines))


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match="no such file") as caught:
        load_study(tmp_path / "missing.yaml")
    assert "other.yaml" in caught.value.hint
    assert "missing.yaml" in caught.value.file
    with pytest.raises(ConfigError, match="no such file") as caught:
        load_study(tmp_path / "othr.yaml")
    assert f"did you mean {tmp_path / 'other.yaml'}?" in caught.value.hint
    with pytest.raises(ConfigError, match="directory") as caught:
        load_study(tmp_path)
    assert caught.value.hint
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match="UTF-8") as caught:
        load_study(tmp_path / "latin.yaml")
    assert caught.value.line == 2
    with pytest.raises(ConfigError):
        load_study(tmp_path / "other.yaml" / "x.yaml")


def test_setting_for_another_trainer_says_how_to_remove_it(small: str, load: Load) -> None:
    with pytest.raises(ConfigError, match="beta_neg") as caught:
        load(small.replace("  sg: {prior: gaussian}", "  sg: {trainer: vae}"))
    assert caught.value.line == 10
    assert "variants.sg.beta_neg" in caught.value.hint


def test_a_grid_too_large_to_list_is_refused_at_once(small: str, load: Load) -> None:
    many = ", ".join(str(i) for i in range(1, 500))
    with pytest.raises(ConfigError, match="100,000") as caught:
        load(small.replace("[0.1, 0.3]", f"[{many}]").replace("[1, 3]", f"[{many}]"))
    assert "random" in caught.value.hint


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("beta_kl", "not key=value", "--set"),
        ("iterations=", "has no value", "--set iterations=null"),
        ("=3", "not key=value", "--set"),
        ("variants.sgg.beta_kl=1", "unknown variant", "'sg'"),
        ("prior=mog", "every variant", "variants.sg.prior"),
        ("budget.max_trial=1", "unknown key", "'max_trials'"),
        ("seeds.select.x=1", "no keys", "seeds.select={...}"),
        ("beta_kl=[", "not YAML", "brackets"),
        ("beta_kl=-1", "-1", "beta_kl"),
        ("beta_kl={values: [1, -1]}", "-1", "beta_kl"),
        ("beta_kll=1", "no setting", "'beta_kl'"),
        ("beta_kl.values=[]", "empty list", "at least one"),
        ("budgt.max_hours=2", "unknown key", "'budget'"),
        ("iterations=1000", "longer than iterations", "iterations"),
    ],
)
def test_overrides(override: str, message: str, hint: str, small: str, load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(small, override)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_override_errors_name_set(small: str, load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(small, "parameters.beta_kl.values=[1, -1]")
    assert (caught.value.file, caught.value.key) == ("--set", "parameters.beta_kl.values.1")


@pytest.mark.parametrize("override", ["budgt.max_hours=2", "budget.max_hour=2", "a.b.c=1"])
def test_unknown_keys_of_set_name_set(override: str, small: str, load: Load) -> None:
    with pytest.raises(ConfigError, match="unknown key") as caught:
        load(small, override)
    assert (caught.value.file, caught.value.line) == ("--set", None)


def test_name_of_the_command_line(small: str, load: Load) -> None:
    assert load(small, name="other").name == "other"
    assert load(small.replace("name: small\n", "")).name == "study"
    with pytest.raises(ConfigError, match="--name"):
        load(small, name="a/b")
