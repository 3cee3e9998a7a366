"""Expansion, identity, order and round trips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from introsearch.errors import ConfigError
from introsearch.planning.plan import plan_dict, plan_text
from introsearch.study.file.document import dump, parse_value
from introsearch.study.file.loader import load_study
from introsearch.study.identity import identity
from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import expand, ladder_order, report_trials, select_trials
from introsearch.study.sections import EarlyTermination

Load = Callable[..., Study]
SPACES = Path(__file__).parents[3] / "search_spaces"
RANDOM = (
    "method=random",
    "budget.max_trials=20",
    "beta_kl={distribution: log_uniform, min: 1e-3, max: 10}",
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("24:00:00", "24:00:00"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("{a: &x [1], b: *x}", {"a": [1], "b": [1]}),
        ("[{<<: {a: 1, b: 2}, b: 3}]", [{"a": 1, "b": 3}]),
        ("{<<: [{a: 1}, {a: 2, b: 2}]}", {"a": 1, "b": 2}),
        ("{64: x}", {"64": "x"}),
    ],
)
def test_yaml_1_2(text: str, value: object) -> None:
    read = parse_value(text, file="x")
    assert read == value
    assert type(read) is type(value)
    assert parse_value(dump(read), file="x") == value


def test_strings_that_look_like_numbers_survive_a_dump() -> None:
    words = ["1e-3", "0o17", "no", "true", "null", "<<", "24:00:00", ""]
    assert parse_value(dump(words), file="x") == words


def test_identity_is_stable() -> None:
    """Golden, from sha256sum of the canonical text: a change would orphan every result."""
    assert identity("vae", {"beta_kl": 0.1, "lr_milestones": [1, 2]}) == "4e88238afc2c"
    assert identity("vae", {"lr_milestones": [1, 2], "beta_kl": 0.1}) == "4e88238afc2c"
    assert identity("sintrovae", {"beta_kl": 0.1, "lr_milestones": [1, 2]}) != "4e88238afc2c"


def test_identity_ignores_how_values_are_written(small: str, load: Load) -> None:
    ids = {c.id for c in expand(load(small)).configurations}
    assert ids == {c.id for c in expand(load(small.replace("30000", "3e4"))).configurations}
    assert ids == {c.id for c in expand(load(small, "kl_estimator=auto")).configurations}
    assert not ids & {c.id for c in expand(load(small, "num_draws=99")).configurations}


def test_groups_and_counts(small: str, load: Load) -> None:
    study = load(small)
    expansion = expand(study)
    assert expansion.groups == (
        "8gaussians / sg",
        "8gaussians / ip",
        "rings / sg",
        "rings / ip",
    )
    assert [len(m) for m in expansion.members.values()] == [4] * 4
    assert len(expansion.configurations) == 16
    for group, members in expansion.members.items():
        assert all(c.groups == (group,) for c in members)


def test_products_are_rounded(small: str, load: Load) -> None:
    found = {(c.settings["beta_kl"], c.settings["beta_neg"]) for c in _all(load(small))}
    assert found == {(0.1, 0.1), (0.1, 0.3), (0.3, 0.3), (0.3, 0.9)}
    chained = "r_entropy={times: beta_neg, values: [3]}"
    found = {c.settings["r_entropy"] for c in _all(load(small, "variants.sg.prior=mog", chained))}
    assert found == {0.3, 0.9, 2.7}


def test_duplicates_are_counted_and_tried_once(small: str, load: Load) -> None:
    expansion = expand(load(small, "beta_kl={values: [0.1, 0.3, 0.10]}"))
    assert set(expansion.duplicates.values()) == {2}
    assert [len(m) for m in expansion.members.values()] == [4] * 4


def test_variants_share_configurations(small: str, load: Load) -> None:
    study = load(small + "", "variants.twin={prior: gaussian}")
    expansion = expand(study)
    assert expansion.members["rings / sg"] != ()
    shared = [c for c in expansion.configurations if c.variants == ("sg", "twin")]
    assert len(shared) == 8
    assert {c.groups for c in shared if c.settings["dataset"] == "rings"} == {
        ("rings / sg", "rings / twin")
    }
    names = [t.name for t in select_trials(study, expansion)]
    assert len(names) == len(set(names)) == 16
    best = expansion.members["rings / sg"][0].id
    chosen = {"rings / sg": best, "rings / twin": best}
    assert [t.name for t in report_trials(study, expansion, chosen)] == [f"{best}-s1", f"{best}-s2"]


def test_null_removes_and_trainer_replaces(small: str, load: Load) -> None:
    study = load(small, "variants.vae={trainer: vae, beta_neg: null}")
    expansion = expand(study)
    assert len(expansion.members["rings / vae"]) == 2
    assert {c.trainer for c in expansion.members["rings / vae"]} == {"vae"}


def test_without_variants_there_is_one(small: str, load: Load) -> None:
    assert expand(load(small, "variants=null")).groups == (
        "8gaussians / default",
        "rings / default",
    )


def test_groups_need_not_separate_variants(small: str, load: Load) -> None:
    expansion = expand(load(small, "groups=[dataset]"))
    assert expansion.groups == ("8gaussians", "rings")
    assert Counter(c.variants for c in expansion.members["rings"]) == {("sg",): 4, ("ip",): 4}


def test_order_is_shuffled_and_stable(small: str, load: Load) -> None:
    overrides = "beta_kl={values: [0.1, 0.2, 0.3, 0.4, 0.5]}"
    first = _ids(load(small, overrides), "rings / sg")
    assert first == _ids(load(small, overrides), "rings / sg")
    assert first != _ids(load(small, overrides, "seed=1"), "rings / sg")
    more = _ids(load(small, "beta_kl={values: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5]}"), "rings / sg")
    assert [i for i in more if i in first] == first
    assert _ids(load(small, overrides, "budget.max_trials=3"), "rings / sg") == first[:3]


def test_select_trials_go_round_the_groups(small: str, load: Load) -> None:
    study = load(small, "seeds={select: [5, 6], report: [1]}")
    expansion = expand(study)
    trials = select_trials(study, expansion)
    assert [t.seed for t in trials[:4]] == [5, 6, 5, 6]
    assert [t.configuration.groups[0] for t in trials[:8:2]] == list(expansion.groups)
    order = ladder_order(study, expansion, "rings / ip")
    assert order == tuple(t.name for t in trials if t.configuration.groups == ("rings / ip",))


def test_random_search(small: str, load: Load) -> None:
    study = load(small, *RANDOM)
    members = expand(study).members["rings / ip"]
    values = [c.settings["beta_kl"] for c in members]
    assert len(members) == 20
    assert all(1e-3 <= v <= 10 and v == float(f"{v:.12g}") for v in values)
    assert min(values) < 0.05 < 0.5 < max(values)
    assert {round(c.settings["beta_neg"] / c.settings["beta_kl"]) for c in members} == {1, 3}
    assert _ids(load(small, *RANDOM, "budget.max_trials=5"), "rings / ip") == [
        c.id for c in members[:5]
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{distribution: uniform, min: 2, max: 1}", "above min"),
        ("{distribution: log_uniform, min: 0, max: 1}", "above 0"),
        ("{distribution: int_uniform, min: 0.5, max: 1}", "whole"),
        ("{distribution: uniform, min: 0}", "'max' is missing"),
        ("{distribution: normal, min: 0, max: 1}", "normal"),
        ("{distribution: uniform, min: -2, max: -1}", "at least 0"),
    ],
)
def test_bad_distributions(spec: str, message: str, small: str, load: Load) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(small, *RANDOM, f"beta_kl={spec}")
    assert caught.value.hint


def test_groups_cannot_be_drawn(small: str, load: Load) -> None:
    with pytest.raises(ConfigError, match="distribution"):
        load(small, *RANDOM, "groups=[beta_neg]")


@pytest.mark.parametrize(
    "overrides", [(), RANDOM, ("early_terminate=null", "variants=null", "description='no: 1 '")]
)
def test_round_trip(overrides: tuple[str, ...], small: str, load: Load) -> None:
    study = load(small, *overrides)
    again = load(dump(study.to_dict()))
    assert again == study
    assert expand(again).configurations == expand(study).configurations


def test_rungs() -> None:
    early = EarlyTermination(min_iter=9000, max_iter=30000, eta=3)
    assert early.rungs == (9000, 27000)
    assert EarlyTermination(min_iter=10, max_iter=30, eta=3).rungs == (10,)


def test_2d_grid_is_the_published_one() -> None:
    study = load_study(SPACES / "2d_grid.yaml")
    expansion = expand(study)
    sizes = Counter(c.variants[0] for c in expansion.configurations)
    assert sizes == {"vae": 4 * 81} | dict.fromkeys(["sg", "mog", "ip", "mog_lc", "ip_lc"], 840)
    assert set(expansion.duplicates.values()) == {0}
    assert {c.settings["kl_estimator"] for c in expansion.configurations} == {"monte_carlo"}
    assert study.early_terminate is not None
    early = study.early_terminate
    assert early.averaged, "before the learning rate falls, the metric itself is noise"
    assert early.rungs == (6_000, 18_000)
    text = plan_text(study, expansion)
    assert "4,524 select trials" in text
    assert "120 report trials" in text
    assert plan_dict(study, expansion)["total"]["iterations"] == (4524 + 120) * 30_000


TABLE_3 = {  # beta_rec, beta_kl, beta_neg; Prior Learning in Introspective VAEs, Table 3
    "8gaussians": {"grid": (0.2, 0.3, 0.9), "dt": (0.2, 0.3, 0.9)},
    "2spirals": {"grid": (0.2, 0.05, 0.2), "dt": (0.2, 0.5, 1.0)},
    "checkerboard": {"grid": (0.05, 0.2, 0.8), "dt": (0.2, 0.1, 0.2)},
    "rings": {"grid": (0.2, 0.2, 0.6), "dt": (0.2, 0.2, 1.0)},
}


def test_2d_best_is_table_3() -> None:
    study = load_study(SPACES / "2d_best.yaml")
    expansion = expand(study)
    for dataset, sources in TABLE_3.items():
        for source, betas in sources.items():
            for short, estimator in (("cf", "closed_form"), ("mc", "monte_carlo")):
                (found,) = expansion.members[f"{dataset} / {source}_{short}"]
                names = ("beta_rec", "beta_kl", "beta_neg")
                assert tuple(found.settings[n] for n in names) == betas
                assert found.settings["kl_estimator"] == estimator
    assert plan_dict(study, expansion)["total"]["report_trials"] == 14 * 5


def test_quickstart_plan() -> None:
    study = load_study(SPACES / "quickstart.yaml")
    assert study.name == "quickstart"
    assert {c.settings["dataset"] for c in expand(study).configurations} == {"rings"}
    assert "early termination: of each group" in plan_text(study, expand(study))


def _all(study: Study) -> list[Configuration]:
    return list(expand(study).configurations)


def _ids(study: Study, group: str) -> list[str]:
    return [c.id for c in expand(study).members[group]]
