"""Where every trial of a study stands, read from the record in a moment."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mlflow import MlflowClient

from introsearch.record.results import read_study, study_run
from introsearch.record.runs import read_expansion, read_seed_runs
from introsearch.record.store import store_errors
from introsearch.record.tags import SeedEntry, StudyEntry
from introsearch.results.status.model import RecordedTrial, StudyStatus
from introsearch.results.status.standing import standing
from introsearch.study.stopping.compared import ACTIVE_UNITS, fewest_active_units
from introsearch.trial.evaluation import EVALUATION_SECONDS, SECONDS, TIMES

_ATTRIBUTES = ("stage", "reason", "decision", "iteration")


@store_errors
def read_status(client: MlflowClient, name: str, *, active: bool | None) -> StudyStatus:
    """Where a study stands now.

    Args:
        client: of the store.
        name: the study's name.
        active: whether a `run` works on it; None if that cannot be seen from here.

    Raises:
        ConfigError: the store has no such study, or not its description any more.
    """
    study, run = read_study(client, name), study_run(client, name)
    return standing(
        study,
        read_trials(client, run.info.experiment_id, metric=study.metric.name),
        expansion=read_expansion(client, study),
        state=StudyEntry.from_tags(run.data.tags).status,
        active=active,
    )


def read_trials(
    client: MlflowClient, experiment_id: str, *, metric: str
) -> dict[str, RecordedTrial]:
    """The recorded trials of a study by name, in the order in which they were started.

    Args:
        client: of the store.
        experiment_id: the study's experiment.
        metric: the metric whose last value is wanted.
    """
    metrics = (metric, *TIMES, *ACTIVE_UNITS)
    runs = read_seed_runs(client, experiment_id, attributes=_ATTRIBUTES, metrics=metrics)
    return {
        run.entry.name: recorded_trial(
            run.run_id,
            run.entry,
            {name: point.value for name, point in run.metrics.items()},
            metric=metric,
            last_ms=run.last_ms,
            end_ms=run.end_ms,
        )
        for run in runs
    }


def recorded_trial(
    run_id: str,
    entry: SeedEntry,
    metrics: Mapping[str, float],
    *,
    metric: str,
    last_ms: int | None,
    end_ms: int | None,
) -> RecordedTrial:
    """What `standing` needs to know of a trial.

    Args:
        run_id: of its run.
        entry: what its run says.
        metrics: last values, wall times among them.
        metric: what trials are compared by.
        last_ms: when it was last evaluated, in milliseconds since 1970.
        end_ms: when its run was closed.
    """
    value = metrics.get(metric, math.nan)
    return RecordedTrial(
        run_id=run_id,
        config_id=entry.config_id,
        seed=entry.seed,
        stage=entry.stage,
        status=entry.status,
        reason=entry.reason,
        decision=entry.decision,
        iteration=max(0, entry.iteration),
        value=None if math.isnan(value) else value,
        seconds=metrics.get(SECONDS, 0.0),
        evaluation_seconds=metrics.get(EVALUATION_SECONDS, 0.0),
        last_ms=last_ms,
        end_ms=end_ms,
        active_units=fewest_active_units(metrics),
    )
