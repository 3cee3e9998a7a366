"""Suggestions of the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), by Optuna.

What is suggested must not depend on which trial happened to end first, or the record could not be
continued or repeated. So the i-th suggestion of a group is a function of the study's seed and of
the results of the group's suggestions 0 to i - num_parallel alone, whatever else has ended by then:
those in between count as running, whether they still are or not. As many as `num_parallel` can
therefore run at a time. Suggestions are recorded as they are made, and a restarted study goes on
from the recorded ones.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from introsearch.study.parameters import Parameter
from introsearch.study.search.spaces import Space
from introsearch.study.search.suggestions import Outcome, Suggestion

_NUM_ATTEMPTS = 10  # to suggest what has not been suggested yet
_SPACE = "space"


def suggest(
    spaces: Sequence[Space],
    past: Sequence[tuple[Suggestion, Outcome | None]],
    *,
    seed: str,
    goal: str,
    num_startup: int,
    is_new: Callable[[Suggestion], bool],
) -> Suggestion:
    """The next suggestion of a group.

    Args:
        spaces: the group's spaces; which of them is part of the choice.
        past: all earlier suggestions of the group, and their outcomes; None counts as running.
        seed: the same seed and past give the same suggestion.
        goal: ``minimize`` or ``maximize``.
        num_startup: outcomes before which suggestions are random.
        is_new: whether a suggestion leads to a configuration that the group does not have yet;
            after some attempts in vain, an old one is suggested again.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    number = int(hashlib.sha256(seed.encode()).hexdigest()[:8], 16)
    known = sum(outcome is not None for _, outcome in past)
    sampler = _sampler(number, random=known < num_startup, conditional=len(spaces) > 1)
    study = optuna.create_study(
        direction="maximize" if goal == "maximize" else "minimize", sampler=sampler
    )
    for suggestion, outcome in past:
        study.add_trial(_frozen(spaces, suggestion, outcome))
    for _ in range(_NUM_ATTEMPTS):  # each stays in Optuna's study as running, and repels the next
        suggestion = _read(study.ask(), spaces)
        if is_new(suggestion):
            break
    return suggestion


def _sampler(seed: int, *, random: bool, conditional: bool) -> BaseSampler:
    if random:
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():  # parts of it may change with Optuna's versions
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=0, multivariate=True, group=conditional, constant_liar=True
        )


def _read(trial: Trial, spaces: Sequence[Space]) -> Suggestion:
    """What Optuna chooses, in the words of a study file."""
    number = 0
    if len(spaces) > 1:
        number = trial.suggest_categorical(_SPACE, list(range(len(spaces))))
    space, values = spaces[number], dict(spaces[number].fixed)
    for name in space.order:
        parameter = space.parameters[name]
        if parameter.by is not None:
            continue
        distribution = _distribution(parameter)
        if distribution is None:
            values[name] = parameter.values[0]
        else:
            internal = _ask(trial, f"{number}/{name}", distribution)
            values[name] = _from_optuna(parameter, internal)
    return Suggestion(variant=space.variant, values=values)


def _ask(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case IntDistribution(low=low, high=high):
            return trial.suggest_int(name, low, high)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)


def _frozen(
    spaces: Sequence[Space], suggestion: Suggestion, outcome: Outcome | None
) -> FrozenTrial:
    """An earlier suggestion as Optuna sees it.

    Of pruned trials, Optuna ranks those first that got further, and last those without a value.
    """
    number, space = next(
        (i, s)
        for i, s in enumerate(spaces)
        if s.variant == suggestion.variant
        and all(suggestion.values[name] == value for name, value in s.fixed.items())
    )
    distributions: dict[str, BaseDistribution] = {}
    params: dict[str, Any] = {}
    if len(spaces) > 1:
        distributions[_SPACE] = CategoricalDistribution(range(len(spaces)))
        params[_SPACE] = number
    for name in space.order:
        distribution = _distribution(space.parameters[name])
        if distribution is not None:
            distributions[f"{number}/{name}"] = distribution
            value = suggestion.values[name]
            params[f"{number}/{name}"] = _to_optuna(space.parameters[name], value)
    finished = outcome is not None and outcome.rung is None and outcome.value is not None
    state = TrialState.RUNNING if outcome is None else TrialState.PRUNED
    rung = {} if outcome is None or outcome.rung is None else {outcome.rung: outcome.value}
    return optuna.create_trial(
        state=TrialState.COMPLETE if finished else state,
        value=outcome.value if outcome is not None and finished else None,
        params=params,
        distributions=distributions,
        intermediate_values={k: v for k, v in rung.items() if v is not None},
    )


def _distribution(parameter: Parameter) -> BaseDistribution | None:
    """What there is to choose; None if nothing.

    Of several numbers, the place in their order is chosen, so that neighbours are alike.
    """
    if parameter.distribution == "int_uniform":
        return IntDistribution(int(parameter.min), int(parameter.max))
    if parameter.distribution is not None:
        log = parameter.distribution == "log_uniform"
        return FloatDistribution(parameter.min, parameter.max, log=log)
    count = len(_candidates(parameter))
    if count < 2:
        return None
    if _are_numbers(parameter.values):
        return IntDistribution(0, count - 1)
    return CategoricalDistribution(range(count))


def _from_optuna(parameter: Parameter, internal: Any) -> Any:
    if parameter.distribution is not None:
        return parameter.rounded(internal)
    return _candidates(parameter)[internal]


def _to_optuna(parameter: Parameter, value: Any) -> Any:
    if parameter.distribution is not None:
        return value
    return _candidates(parameter).index(value)


def _candidates(parameter: Parameter) -> list[Any]:
    different = [v for i, v in enumerate(parameter.values) if v not in parameter.values[:i]]
    return sorted(different) if _are_numbers(different) else different


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values
    )
