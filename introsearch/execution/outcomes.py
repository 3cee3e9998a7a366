"""How well a configuration did in the select stage, as tpe learns from it and groups fall back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from introsearch.record.recorder import Recorder
from introsearch.statuses import Status
from introsearch.study.model import Study, Trial, sign_of
from introsearch.study.search.suggestions import Outcome
from introsearch.study.stopping.schedule import rung_unit, rungs_of

_SOUND = {Status.FINISHED, Status.STOPPED}


def outcome_of(study: Study, recorder: Recorder, trials: Sequence[Trial]) -> Outcome:
    """How well the trials of one configuration did, all of which have ended.

    Args:
        study: the study.
        recorder: of its record.
        trials: one for each select seed.
    """
    ends = {recorder.trials[trial.name].status for trial in trials}
    if not ends <= _SOUND:
        return Outcome()
    if ends == {Status.FINISHED}:
        metric = study.metric.name
        return _mean([recorder.trials[trial.name].metrics[metric] for trial in trials])
    configuration = trials[0].configuration
    rungs = rungs_of(study, configuration)
    curves = [recorder.rung_values(trial, rungs=rungs) for trial in trials]
    reached = min(max(values, default=-1) for values in curves)
    values = [values.get(reached, math.nan) for values in curves]
    return _mean(values, rung=reached // rung_unit(study, configuration))


def best_stopped(
    study: Study, recorder: Recorder, groups: Mapping[str, Iterable[Trial]]
) -> list[Trial]:
    """Where nobody finished, the stopped trials of the configuration that did best until then.

    Args:
        study: the study.
        recorder: of its record.
        groups: all trials of the select stage by group; all have ended.
    """
    revived: dict[str, Trial] = {}
    sign = sign_of(study.metric.goal)
    for members in groups.values():
        by_configuration: dict[str, list[Trial]] = {}
        for trial in members:
            by_configuration.setdefault(trial.configuration.id, []).append(trial)
        ends = {
            i: {recorder.trials[trial.name].status for trial in trials}
            for i, trials in by_configuration.items()
        }
        candidates = [i for i in by_configuration if ends[i] <= _SOUND]
        if not candidates or any(ends[i] == {Status.FINISHED} for i in candidates):
            continue
        ranks = {i: outcome_of(study, recorder, by_configuration[i]).rank(sign) for i in candidates}
        best = min(candidates, key=ranks.__getitem__)
        for trial in by_configuration[best]:
            if recorder.trials[trial.name].status == Status.STOPPED:
                revived[trial.name] = trial
    return list(revived.values())


def _mean(values: Sequence[float], *, rung: int | None = None) -> Outcome:
    mean = sum(values) / len(values)
    return Outcome(value=mean, rung=rung) if math.isfinite(mean) else Outcome()
