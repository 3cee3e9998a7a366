"""Which edits go on, and which would change what recorded trials mean."""

from __future__ import annotations

import pytest

from introsearch.study.model import Study
from introsearch.study.search.edits import (
    EndedTrial,
    changed_members,
    changed_rules,
    fingerprint,
    leads_elsewhere,
    orphans,
)
from introsearch.study.search.expand import expand, select_trials
from tests.conftest import Load

EARLY = "early_terminate: {type: asha, min_iter: 3000, max_iter: 30000, eta: 3}"
Found = tuple[list[str], int, list[str]]


def check(before: Study, now: Study) -> Found:
    """Keys of rules that changed, how many of all trials drop out, and keys that explain it."""
    old = expand(before)
    trials = [EndedTrial(t.configuration.id, t.seed) for t in select_trials(before, old)]
    first = old.members[old.groups[0]][0].id
    trials += [EndedTrial(first, seed) for seed in before.seeds.report]
    lost = orphans(trials, (before, old), (now, expand(now)))
    members = [edit.key for edit in changed_members(before, now)] if lost else []
    return [edit.key for edit in changed_rules(before, now)], len(lost), members


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("values: [0.1, 0.3]", "values: [0.1, 0.2, 0.3]"),
        ("values: [0.1, 0.3]", "values: [0.3, 0.1]"),
        ("beta_kl: {values: [0.1, 0.3]}", "beta_kl: {values: [0.1, 0.3]}\n  beta_rec: 1.0"),
        ("select: [0]", "select: [0, 7]"),
        ("report: [1, 2]", "report: [1, 2, 3]"),
        ("variants:", "variants:\n  new: {prior: mog, components: 4}"),
        ("[8gaussians, rings]", "[8gaussians, 2spirals, rings]"),
        ("seeds:", "resources: {cpus: 2, gpus: 1}\nseeds:"),
        ("seeds:", "budget: {max_concurrent_trials: 2, max_hours: 1, max_restarts: 5}\nseeds:"),
        ("seeds:", "budget: {max_trials: 100}\nseeds:"),
        ("seeds:", "evaluate_every: 500\nseeds:"),
        ("max_iter: 30000, eta", "max_iter: 28000, eta"),  # the same rungs
        ("{name: hist_kl_paper}", "{name: hist_kl_paper, goal: minimize}"),
    ],
)
def test_growth(old: str, new: str, small: str, load: Load) -> None:
    assert old in small
    small = small.replace("seeds: {", "seeds: {reuse_seeds: true, ")
    before = load(small)
    assert check(before, load(small.replace(old, new, 1))) == ([], 0, [])


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("hist_kl_paper", "hist_jsd_paper", "metric.name"),
        ("method: grid", "method: grid\nseed: 3", "seed"),
        ("min_iter: 3000", "min_iter: 4000", "early_terminate.rungs"),
        ("eta: 3", "eta: 3, averaged: true", "early_terminate.averaged"),
        ("eta: 3", "eta: 3, min_active_units: 2", "early_terminate.min_active_units"),
        (EARLY, "", "early_terminate.eta"),
        ("[dataset, variant]", "[variant, dataset]", "groups"),
    ],
)
def test_other_rules(old: str, new: str, key: str, small: str, load: Load) -> None:
    before, now = load(small), load(small.replace(old, new, 1))
    assert key in check(before, now)[0]
    assert key in check(now, before)[0]


@pytest.mark.parametrize(
    ("old", "new", "num_lost", "keys"),
    [
        ("iterations: 30000", "iterations: 40000", 18, ["parameters.iterations"]),
        ("values: [0.1, 0.3]", "values: [0.1, 0.2]", 10, ["parameters.beta_kl"]),
        ("[8gaussians, rings]", "[rings]", 10, ["parameters.dataset"]),
        ("components: 8", "components: 9", 8, ["variants.ip.components"]),
        ("sg: {", "gauss: {", 10, ["variants.sg.prior"]),
        ("select: [0]", "select: [5]", 16, ["seeds.select"]),
        ("report: [1, 2]", "report: [2]", 1, ["seeds.report"]),
        ("seeds:", "budget: {max_trials: 1}\nseeds:", 12, ["budget.max_trials"]),
        (
            "sg: {prior: gaussian}",
            "sg: {prior: mog, components: 3}\n  new: {prior: mog, components: 4}",
            10,
            ["variants.sg.prior", "variants.sg.components"],
        ),
    ],
)
def test_trials_that_drop_out(
    old: str, new: str, num_lost: int, keys: list[str], small: str, load: Load
) -> None:
    before, now = load(small), load(small.replace(old, new, 1))
    rules, lost, members = check(before, now)
    assert (rules, lost, members) == ([], num_lost, keys)


def test_random_draws_are_others_once_a_value_is_added(small: str, load: Load) -> None:
    text = small.replace("method: grid", "method: random\nbudget: {max_trials: 8}")
    before = load(text)
    larger = load(text.replace("max_trials: 8", "max_trials: 12"))
    assert check(before, larger) == ([], 0, [])
    rules, lost, members = check(before, load(text.replace("[0.1, 0.3]", "[0.1, 0.2, 0.3]")))
    assert rules == []
    assert lost > 0
    assert members == ["parameters.beta_kl"]


def test_a_method_judges_differently(small: str, load: Load) -> None:
    random = load(small.replace("method: grid", "method: random\nbudget: {max_trials: 8}"))
    assert check(load(small), random)[0] == ["method"]


def test_tpe_suggests_by_the_same_rules_or_is_refused(small: str, load: Load) -> None:
    text = small.replace("method: grid", "method: tpe\nbudget: {max_trials: 8}")
    before = load(text)
    assert check(before, load(f"{text}\ntpe: {{num_startup: 10, num_parallel: 4}}\n"))[0] == []
    for key in ("num_startup", "num_parallel"):
        assert check(before, load(f"{text}\ntpe: {{{key}: 2}}\n"))[0] == [f"tpe.{key}"]


def test_edits_are_readable(small: str, load: Load) -> None:
    text = small.replace("iterations: 30000", "iterations: 40000").replace("[0.1, 0.3]", "[0.1]")
    edits = changed_members(load(small), load(text + "seed: 1\n"))
    assert [str(edit) for edit in edits] == [
        "parameters.beta_kl: [0.1, 0.3] -> 0.1",
        "parameters.iterations: 30000 -> 40000",
    ]
    (edit,) = changed_rules(load(small), load(small + "seed: 1\n"))
    assert str(edit) == "seed: 0 -> 1"


def test_a_fingerprint_tells_other_settings_of_the_same_file(small: str, load: Load) -> None:
    study, other = load(small), load(small.replace("30000", "40000"))
    recorded = fingerprint(study.to_dict(), expand(study))
    assert not leads_elsewhere(recorded, study.to_dict(), expand(study))
    assert leads_elsewhere(recorded, study.to_dict(), expand(other))
    assert not leads_elsewhere(recorded, other.to_dict(), expand(other))
