"""What TPE suggests: reproducible, within the space, and better than chance."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable

import pytest

from introsearch.errors import ConfigError
from introsearch.study.model import Study
from introsearch.study.search.expand import expand
from introsearch.study.search.spaces import Space, group_spaces
from introsearch.study.search.suggestions import (
    Outcome,
    Suggested,
    Suggestion,
    configuration_of,
    expand_suggested,
)
from introsearch.study.search.tpe import suggest
from tests.conftest import Load

TPE = """\
name: small
trainer: sintrovae
method: tpe
metric: {name: hist_kl_paper}
groups: [dataset]
seeds: {select: [0], report: [1, 2]}
parameters:
  dataset: {values: [8gaussians, rings]}
  beta_kl: {distribution: log_uniform, min: 0.01, max: 1}
  beta_rec: {distribution: uniform, min: 0.1, max: 0.9}
  beta_neg: {times: beta_kl, values: [3, 1, 5]}
  num_draws: {by: dataset, values: {8gaussians: 5, rings: 6}}
  warmup_iterations: {distribution: int_uniform, min: 100, max: 200}
  iterations: 30000
variants:
  sg: {prior: gaussian}
  ip:
    prior: mog
    components: {values: [4, 8, 16, 32]}
    intro_prior: true
    learnable_contributions: {values: [false, true]}
budget: {max_trials: 30}
"""
Past = list[tuple[Suggestion, Outcome | None]]


@pytest.fixture
def study(load: Load) -> Study:
    return load(TPE)


def walk(
    spaces: list[Space],
    score: Callable[[Suggestion], Outcome],
    *,
    num: int,
    seed: int = 0,
    num_startup: int = 10,
    goal: str = "minimize",
) -> Past:
    """One suggestion after the other."""
    past: Past = []
    for i in range(num):
        suggestion = suggest(
            spaces, past, seed=f"{seed}/{i}", goal=goal, num_startup=num_startup,
            is_new=lambda s: s not in [earlier for earlier, _ in past],
        )  # fmt: skip
        past.append((suggestion, score(suggestion)))
    return past


def bowl(suggestion: Suggestion) -> Outcome:
    """Best at beta_kl 0.1, in one of the variants, with 16 components."""
    values = suggestion.values
    value = math.log10(values["beta_kl"] / 0.1) ** 2 + (values["beta_rec"] - 0.7) ** 2
    if suggestion.variant == "sg":
        return Outcome(value=value + 1)
    return Outcome(value=value + abs(math.log2(values["components"] / 16)) / 2)


def best(past: Past) -> float:
    return min(o.value for _, o in past if o is not None and o.value is not None)


def test_every_kind_of_parameter_is_chosen_within_its_space(study: Study) -> None:
    spaces = group_spaces(study)["rings"]
    past = walk(spaces, bowl, num=40)
    assert {s.variant for s, _ in past} == {"sg", "ip"}
    for suggestion, _ in past:
        values = suggestion.values
        assert values["dataset"] == "rings"
        assert 0.01 <= values["beta_kl"] <= 1
        assert 0.1 <= values["beta_rec"] <= 0.9
        assert isinstance(values["warmup_iterations"], int)
        assert ("components" in values) == (suggestion.variant == "ip")
        settings = configuration_of(study, "rings", spaces, suggestion).settings
        assert settings["beta_neg"] == pytest.approx(values["beta_kl"] * values["beta_neg"])
        assert settings["num_draws"] == 6
        assert settings["prior"] == ("gaussian" if suggestion.variant == "sg" else "mog")
        written = Suggested(group="rings", at=(3, 5), suggestion=suggestion, config_id="0")
        assert Suggested.from_json(written.to_json(), config_id="0") == written
    chosen = {name: {s.values.get(name) for s, _ in past} for name in ("components", "beta_neg")}
    assert chosen == {"components": {None, 4, 8, 16, 32}, "beta_neg": {1, 3, 5}}


def test_the_same_past_gives_the_same_suggestion(study: Study) -> None:
    spaces = group_spaces(study)["rings"]
    past = walk(spaces, bowl, num=15)
    assert walk(spaces, bowl, num=15) == past
    recorded = [
        (Suggestion(**json.loads(json.dumps({"variant": s.variant, "values": dict(s.values)}))), o)
        for s, o in past
    ]
    assert recorded == past
    assert walk(spaces, bowl, num=15, seed=1) != past


def test_it_beats_chance(study: Study) -> None:
    spaces = group_spaces(study)["rings"]
    tpe = [best(walk(spaces, bowl, num=30, seed=seed)) for seed in range(3)]
    chance = [best(walk(spaces, bowl, num=30, seed=s, num_startup=99)) for s in range(3)]
    assert sum(tpe) < sum(chance) / 2, (tpe, chance)
    last = [s.variant for s, _ in walk(spaces, bowl, num=40)[-15:]]
    assert last.count("ip") > 10


def test_the_goal_counts(study: Study) -> None:
    def hill(suggestion: Suggestion) -> Outcome:
        return Outcome(value=-(bowl(suggestion).value or 0.0))

    spaces = group_spaces(study)["rings"]
    assert [s for s, _ in walk(spaces, hill, num=20, goal="maximize")] == [
        s for s, _ in walk(spaces, bowl, num=20)
    ]


def test_stopped_and_bad_trials_teach_too(study: Study) -> None:
    """Half of the space diverges, and of the rest only the best part gets far."""

    def score(suggestion: Suggestion) -> Outcome:
        value = bowl(suggestion).value or 0.0
        if suggestion.values["beta_kl"] > 0.2:
            return Outcome()
        return Outcome(value=value, rung=100 if value > 0.6 else 300)

    past = walk(group_spaces(study)["rings"], score, num=50)
    bad = [outcome == Outcome() for _, outcome in past]
    far = [outcome is not None and outcome.rung == 300 for _, outcome in past]
    assert sum(bad[-20:]) <= 4 < sum(bad[:10]) + sum(bad[10:20])
    assert sum(far[-20:]) > 2 * sum(far[:20])


def test_running_trials_keep_the_next_one_away(study: Study) -> None:
    spaces = group_spaces(study)["rings"]
    past = walk(spaces, bowl, num=20)
    (first, _), *_ = sorted(past, key=lambda entry: entry[1].value or 9.9)  # type: ignore[union-attr]
    crowd: Past = [*past, *[(first, None)] * 20]
    options = {"seed": "x", "goal": "minimize", "num_startup": 10, "is_new": lambda s: True}
    assert suggest(spaces, crowd, **options) != suggest(spaces, past, **options)  # type: ignore[arg-type]


def test_a_small_space_is_searched_through(load: Load) -> None:
    text = TPE.replace("{distribution: log_uniform, min: 0.01, max: 1}", "{values: [0.1, 0.2]}")
    text = text.replace("{distribution: uniform, min: 0.1, max: 0.9}", "0.2")
    text = text.replace("{distribution: int_uniform, min: 100, max: 200}", "100")
    study = load(text.partition("  ip:")[0] + "budget: {max_trials: 10}\n")
    spaces = group_spaces(study)["rings"]
    past = walk(spaces, lambda s: Outcome(value=s.values["beta_kl"]), num=10, num_startup=3)
    assert len({json.dumps(dict(s.values)) for s, _ in past}) == 6  # then some of them again


def test_the_expansion_grows_with_what_was_suggested(study: Study) -> None:
    assert len(expand(study).members["rings"]) == 30  # that many random ones stand for them
    spaces = group_spaces(study)["rings"]
    suggestions = [s for s, _ in walk(spaces, bowl, num=4)]
    ids = [configuration_of(study, "rings", spaces, s).id for s in suggestions]
    places = [(0, 4), (1,), (2,), (3,)]
    recorded = [
        Suggested(group="rings", at=at, suggestion=s, config_id=i)
        for at, s, i in zip(places, suggestions, ids, strict=True)
    ]
    random.Random(0).shuffle(recorded)
    expansion = expand_suggested(study, recorded)
    assert expansion.groups == ("8gaussians", "rings")
    assert [c.id for c in expansion.members["rings"]] == ids
    assert expansion.members["8gaussians"] == ()
    assert expansion.duplicates == {"8gaussians": 0, "rings": 1}
    assert expansion.to_suggest == {"8gaussians": 30, "rings": 25}


def test_suggestions_outside_a_changed_space_are_left_out(study: Study, load: Load) -> None:
    spaces = group_spaces(study)["rings"]
    suggestions = [s for s, _ in walk(spaces, bowl, num=12)]
    recorded = [
        Suggested(
            group="rings",
            at=(i,),
            suggestion=s,
            config_id=configuration_of(study, "rings", spaces, s).id,
        )
        for i, s in enumerate(suggestions)
    ]

    def left(old: str, new: str) -> list[str]:
        return [c.id for c in expand_suggested(load(TPE.replace(old, new)), recorded)
                .members["rings"]]  # fmt: skip

    ids = [one.config_id for one in recorded]
    assert left("max: 1}", "max: 2}") == ids
    assert left("[4, 8, 16, 32]", "[2, 4, 8, 16, 32]") == ids
    assert left("beta_rec: {distribution: uniform, min: 0.1", "beta_rec: {values: [0.95]} #") == []
    assert left("iterations: 30000", "iterations: 20000") == []
    assert left("max_trials: 30", "max_trials: 5") == ids[:5]
    small = [o.config_id for o in recorded if o.suggestion.values["beta_kl"] <= 0.1]
    assert 0 < len(small) < 12
    assert left("min: 0.01, max: 1}", "min: 0.01, max: 0.1}") == small


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("budget: {max_trials: 30}", "", "budget.max_trials", "missing"),
        ("max_trials: 30", "max_trials: 1001", "budget.max_trials", "at most 1,000"),
        ("select: [0]", "select: []", "seeds.select", "empty"),
        ("method: tpe", "method: random\ntpe: {num_parallel: 2}", "tpe", "method: random"),
        ("method: tpe", "method: tpe\ntpe: {num_paralel: 2}", "tpe.num_paralel", "unknown key"),
        ("method: tpe", "method: tpe\ntpe: {num_startup: 0}", "tpe.num_startup", "at least 1"),
        ("[4, 8, 16, 32]", "[4, 0]", "variants.ip.components.values.1", "components"),
        ("max: 0.9", "max: 0.05", "parameters.beta_rec.max", "above min"),
    ],
)
def test_bad_input(old: str, new: str, key: str, message: str, load: Load) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(TPE.replace(old, new, 1))
    assert caught.value.key == key


def test_groups_that_may_share_configurations_are_refused(load: Load) -> None:
    grid = TPE.replace("log_uniform, min: 0.01, max: 1", "int_uniform, min: 1, max: 3").replace(
        "{distribution: uniform, min: 0.1, max: 0.9}", "{values: [0.1, 0.2]}"
    )
    apart = grid.replace("groups: [dataset]", "groups: [dataset, variant]")
    assert len(expand(load(apart)).groups) == 4
    same = apart.replace("{prior: gaussian}", "{prior: mog, components: 8, intro_prior: true}")
    with pytest.raises(ConfigError, match="'8gaussians / sg' and '8gaussians / ip' may share"):
        load(same)
    assert load(same.replace("beta_rec: {values: [0.1, 0.2]}",
                             "beta_rec: {distribution: uniform, min: 0.1, max: 0.9}"))  # fmt: skip
