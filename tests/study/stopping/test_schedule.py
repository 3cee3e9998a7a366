"""Epochs in evaluations and rungs: each configuration's own, in its own iterations."""

from __future__ import annotations

import json

import pytest

from introsearch.errors import ConfigError
from introsearch.planning.costs import TrialCosts, kind_of, study_costs
from introsearch.planning.plan import plan_dict, plan_text
from introsearch.planning.shares import stretches
from introsearch.study.search.edits import changed_rules
from introsearch.study.search.expand import expand, select_trials
from introsearch.study.sections import Resources
from introsearch.study.stopping.ladder import Ladder
from introsearch.study.stopping.schedule import interval_of, rung_unit, rungs_of
from introsearch.trial.order import order_of
from tests.conftest import Load

IMAGES = """\
name: epochs
trainer: sintrovae
method: grid
metric: {name: fid_gen}
groups: [dataset]
seeds: {select: [0], report: [1]}
parameters:
  dataset: {values: [mnist, cifar10]}
  epochs: 40
early_terminate: {type: asha, min_epochs: 22, max_epochs: 40, eta: 2}
evaluate_every_epochs: 11
"""
MNIST, CIFAR = 60_000 // 128, 50_000 // 32  # iterations of an epoch


def test_rungs_and_evaluations_follow_the_data_set(load: Load) -> None:
    study = load(IMAGES)
    by_dataset = {c.settings["dataset"]: c for c in expand(study).configurations}
    for dataset, length in (("mnist", MNIST), ("cifar10", CIFAR)):
        configuration = by_dataset[dataset]
        assert rung_unit(study, configuration) == length
        assert rungs_of(study, configuration) == (22 * length,)
        assert interval_of(study, configuration) == 11 * length
        (trial,) = [
            t for t in select_trials(study, expand(study)) if t.configuration.id == configuration.id
        ]
        order = order_of(study, trial, resources=Resources(), folder="")
        assert (order.evaluate_every, order.figures_at) == (11 * length, (22 * length,))
        parts = list(stretches(study, configuration, [1.0, 0.5]))
        assert [(p.start, p.end) for p in parts] == [(0, 22 * length), (22 * length, 40 * length)]
    assert "at 22 epochs" in plan_text(study, expand(study))
    plan = plan_dict(study, expand(study))["early_terminate"]
    assert plan == {"rungs": [22], "unit": "epochs", "eta": 2, "max_epochs": 40}


def test_the_same_in_iterations_costs_the_same(load: Load) -> None:
    one = 22 * MNIST
    text = IMAGES.replace("[mnist, cifar10]", "[mnist]")
    in_iterations = text.replace(
        "min_epochs: 22, max_epochs: 40", f"min_iter: {one}, max_iter: {40 * MNIST}"
    )
    in_iterations = in_iterations.replace(
        "evaluate_every_epochs: 11", f"evaluate_every: {11 * MNIST}"
    )
    found = []
    for study in (load(text), load(in_iterations)):
        expansion = expand(study)
        costs = TrialCosts(
            warmup_iteration=1, iteration=2, evaluation=3, figure=4, final=5,
            checkpoint_bytes=6, figure_bytes=7, values=8,
        )  # fmt: skip
        measured = {kind_of(c): costs for c in expansion.configurations}
        found.append(
            study_costs(study, expansion, measured, resources=Resources(), cpus=1, gpus=0).to_dict()
        )
    assert found[0] == found[1]


def test_batch_sizes_are_compared_at_equal_epochs(load: Load) -> None:
    """Within a group, epochs may differ in length."""
    study = load(IMAGES, "parameters.dataset=mnist", "parameters.batch_size={values: [100, 200]}")
    rungs = {c.settings["batch_size"]: rungs_of(study, c) for c in expand(study).configurations}
    assert rungs == {100: (22 * 600,), 200: (22 * 300,)}
    ladder = Ladder(["a", "b"], (22,), eta=2, units={"a": 600})
    ladder.report("a", 22 * 300, 5.0)  # no rung of its own
    ladder.report("a", 22 * 600, 1.0)
    ladder.append("c", unit=300)
    ladder.end("b", "failed")
    ladder.report("c", 22 * 600, 0.0)
    assert ladder.decision("c").rung is None
    ladder.report("c", 22 * 300, 2.0)
    kept, stopped = ladder.decision("a"), ladder.decision("c")
    assert (kept.action, kept.iteration) == ("keep", 13_200)
    assert (stopped.action, stopped.iteration, stopped.rank) == ("stop", 6_600, 2)
    assert (ladder.confirmed("a"), ladder.confirmed("c")) == (None, 6_600)


def test_a_study_in_epochs_is_written_as_it_was(load: Load) -> None:
    study = load(IMAGES)
    written = study.to_dict()
    assert (written["evaluate_every_epochs"], "evaluate_every" in written) == (11, False)
    assert set(written["early_terminate"]) == {
        "type",
        "min_epochs",
        "max_epochs",
        "eta",
        "averaged",
    }
    assert load(json.dumps(written)) == study
    (edit,) = changed_rules(study, load(IMAGES.replace("min_epochs: 22", "min_epochs: 33")))
    assert (edit.key, edit.after) == ("early_terminate.rungs", "[33 epochs]")


@pytest.mark.parametrize(
    ("old", "new", "key", "message", "hint"),
    [
        (
            "min_epochs: 22",
            "min_epochs: 20",
            "min_epochs",
            "20 is not after the warm-up of 20 epochs",
            "21",
        ),
        (
            "min_epochs: 22",
            "min_epochs: 23",
            "min_epochs",
            "epoch 23 (iteration 10,764)",
            "evaluate_every_epochs: 23",
        ),
        (
            "max_epochs: 40",
            "max_epochs: 41",
            "max_epochs",
            "41 is above the trial's 40 epochs",
            "40",
        ),
        (
            "min_epochs: 22",
            "min_epochs: 40",
            "min_epochs",
            "not below max_epochs: 40",
            "max_epochs",
        ),
        (", max_epochs: 40", "", "max_epochs", "'max_epochs' is missing", "both"),
        ("max_epochs: 40", "max_iter: 40", "max_epochs", "'max_epochs' is missing", "both"),
        ("min_epochs: 22", "min_iter: 9, min_epochs: 22", "min_iter", "beside min_epochs", "both"),
        (
            "min_epochs: 22, max_epochs: 40",
            "max_epochs: 40",
            "min_iter",
            "'min_iter' is missing",
            "both",
        ),
        (
            "evaluate_every_epochs: 11",
            "evaluate_every_epochs: 0",
            "every_epochs",
            "at least 1",
            "every",
        ),
        (
            "evaluate_every_epochs: 11",
            "evaluate_every_epochs: 11\nevaluate_every: 5",
            "every_epochs",
            "beside",
            "one",
        ),
        (
            "evaluate_every_epochs: 11",
            "",
            "min_epochs",
            "not a multiple of evaluate_every: 1,000",
            "evaluate_every_epochs: 22",
        ),
    ],
)
def test_what_does_not_fit(
    load: Load, old: str, new: str, key: str, message: str, hint: str
) -> None:
    assert old in IMAGES
    with pytest.raises(ConfigError) as caught:
        load(IMAGES.replace(old, new))
    assert caught.value.key.endswith(key)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.line is not None


def test_points_have_no_epochs(load: Load, small: str) -> None:
    for override in (
        "evaluate_every_epochs=5",
        "early_terminate={type: asha, min_epochs: 3, max_epochs: 9}",
    ):
        with pytest.raises(ConfigError, match="no epochs here") as caught:
            load(small, override)
        assert "use iterations" in caught.value.hint


def test_images_of_unknown_number_have_epochs_of_unknown_length(load: Load) -> None:
    own = IMAGES.replace("dataset: {values: [mnist, cifar10]}", "dataset: image_folder")
    own += "resources: {cpus: 1}\n"
    sizes = ["image_folder=x", "image_size=32", "image_channels=3"]
    lengths = ["epochs=null", "iterations=900", "warmup_iterations=90", "handover_iterations=9"]
    overrides = [f"parameters.{each}" for each in (*sizes, *lengths)]
    with pytest.raises(ConfigError, match="not known how long"):
        load(own, *overrides)
    load(
        own,
        *overrides,
        "parameters.train_images=96",
        "early_terminate.min_epochs=33",
        "early_terminate.max_epochs=300",
    )
