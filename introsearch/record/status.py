"""Where every trial of a study stands, read from the record in a moment."""

from __future__ import annotations

import math

from mlflow import MlflowClient

from introsearch.record import tags as record
from introsearch.record.results import read_study, study_run
from introsearch.record.runs import SeedRun, read_expansion, read_seed_runs
from introsearch.results.status.model import RecordedTrial, StudyStatus
from introsearch.results.status.standing import standing
from introsearch.statuses import Status
from introsearch.study.model import trial_name
from introsearch.study.stopping.compared import ACTIVE_UNITS, fewest_active_units
from introsearch.trial.evaluation import EVALUATION_SECONDS, SECONDS, TIMES

TAGS = (
    record.CONFIG_ID, record.SEED, record.STATUS, record.REASON, record.DECISION, record.ITERATION,
)  # fmt: skip


def read_status(client: MlflowClient, name: str, *, active: bool | None) -> StudyStatus:
    """Where a study stands now.

    Args:
        client: of the store.
        name: the study's name.
        active: whether a `run` works on it; None if that cannot be seen from here.

    Raises:
        ConfigError: the store has no such study, or not its description any more.
    """
    study = read_study(client, name)
    run = study_run(client, name)
    recorded = read_trials(client, run.info.experiment_id, metric=study.metric.name)
    expansion = read_expansion(client, study)
    return standing(
        study,
        recorded,
        expansion=expansion,
        state=Status(run.data.tags[record.STATUS]),
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
    runs = read_seed_runs(client, experiment_id, tags=TAGS, metrics=metrics)
    trials = [_trial(run, metric) for run in runs]
    return {trial_name(t.config_id, t.seed): t for t in trials}


def _trial(run: SeedRun, metric: str) -> RecordedTrial:
    value, seconds = run.metrics.get(metric), run.metrics.get(SECONDS)
    evaluating = run.metrics.get(EVALUATION_SECONDS)
    return RecordedTrial(
        run_id=run.run_id,
        config_id=run.tags[record.CONFIG_ID],
        seed=int(run.tags[record.SEED]),
        status=Status(run.tags[record.STATUS]),
        reason=run.tags.get(record.REASON, ""),
        decision=run.tags.get(record.DECISION, ""),
        iteration=int(run.tags.get(record.ITERATION, 0)),
        value=None if value is None or math.isnan(value.value) else value.value,
        seconds=seconds.value if seconds else 0.0,
        evaluation_seconds=evaluating.value if evaluating else 0.0,
        last_ms=seconds.time_ms if seconds else None,
        end_ms=run.end_ms,
        active_units=fewest_active_units({name: p.value for name, p in run.metrics.items()}),
    )
