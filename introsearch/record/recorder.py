"""Writes the record of a study: study > configuration > seed. The driver alone writes."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag

from introsearch.errors import ConfigError
from introsearch.record import artifacts
from introsearch.record.provenance import origin
from introsearch.record.runs import SeedRun, read_seed_runs, runs_of
from introsearch.record.status import recorded_trial
from introsearch.record.store import store_errors
from introsearch.record.tags import (
    CHOSEN,
    LEVEL,
    STATUS,
    SUGGESTED,
    ConfigurationEntry,
    SeedEntry,
    StudyEntry,
)
from introsearch.record.views import views
from introsearch.results.status.model import RecordedTrial
from introsearch.statuses import Status
from introsearch.study.model import Configuration, Study, Trial
from introsearch.study.search.edits import fingerprint
from introsearch.study.search.expand import expand
from introsearch.study.search.suggestions import Suggested
from introsearch.study.sections import Resources
from introsearch.study.stopping.compared import ACTIVE_UNITS, compared_key, compared_value
from introsearch.trial.evaluation import EVALUATION_SECONDS, SECONDS, SYSTEM, Evaluation
from introsearch.trial.order import order_of

_PARENT = "mlflow.parentRunId"
_EVALUATIONS_PER_BATCH = 20  # MLflow splits batches of more than 1,000 metrics
_MLFLOW_STATUS = {
    Status.FINISHED: "FINISHED",
    Status.STOPPED: "FINISHED",
    Status.DIVERGED: "FAILED",
    Status.FAILED: "FAILED",
}


@dataclass
class TrialState:
    """What the record knows of a trial while its study runs.

    Attributes:
        run_id: of its run.
        entry: what its run says.
        metrics: last values, wall times among them.
        last_ms: when it was last evaluated, in milliseconds since 1970.
        end_ms: when its run was closed.
    """

    run_id: str
    entry: SeedEntry
    metrics: dict[str, float] = field(default_factory=dict)
    last_ms: int | None = None
    end_ms: int | None = None

    @property
    def status(self) -> Status:
        return self.entry.status

    @property
    def iteration(self) -> int:
        """The last iteration that is recorded; -1 if none."""
        return self.entry.iteration

    @property
    def costly_metrics(self) -> bool:
        """Whether its worker was told to compute the costly metrics too."""
        return bool(self.entry.manner.get("costly_metrics", True))


def open_recorder(client: MlflowClient, study: Study, *, folder: Path) -> Recorder:
    """Find or make the runs of a study in the record, and begin to write to them.

    Args:
        client: of an open store.
        study: the study; its name is the experiment's.
        folder: of the study's files; artifacts of a local store go there too.

    Raises:
        ConfigError: the study was deleted from the store.
    """
    experiment_id = _find_or_make_experiment(client, study, folder)
    for tag, view in views(study).items():
        client.set_experiment_tag(experiment_id, tag, view)
    return Recorder(
        client,
        study,
        experiment_id=experiment_id,
        study_run=_find_or_make_study_run(client, study, experiment_id),
    )


class Recorder:
    """Writes to the runs of a study, and knows what is recorded.

    Args:
        client: of an open store.
        study: the study.
        experiment_id: of its experiment.
        study_run: the id of its own run.

    Attributes:
        resources: what a trial really gets.
        suggested: what tpe has suggested so far, by configuration.
        trials: what the record knows of each trial, by name.
    """

    def __init__(
        self, client: MlflowClient, study: Study, *, experiment_id: str, study_run: str
    ) -> None:
        self.client = client
        self.study = study
        self.experiment_id = experiment_id
        self.study_run = study_run
        self.resources: Resources = study.resources
        entries = {
            (entry := ConfigurationEntry.from_tags(run.data.tags)).configuration.id: (run, entry)
            for run in runs_of(client, experiment_id, level="configuration")
        }
        self._configuration_runs = {i: run for i, (run, _) in entries.items()}
        self.suggested = {i: e.suggested for i, (_, e) in entries.items() if e.suggested}
        self.trials = {run.entry.name: _state(run) for run in read_seed_runs(client, experiment_id)}

    # -- study ----------------------------------------------------------------------------------

    @store_errors
    def end_study(self, status: Status) -> None:
        """Close the study's own run; `status` is `FINISHED`, `FAILED` or `INTERRUPTED`."""
        self.client.set_terminated(self.study_run, _MLFLOW_STATUS.get(status, "KILLED"))
        _tag(self.client, self.study_run, {STATUS: status.value})

    @store_errors
    def attach_table(self, name: str, text: str) -> None:
        """Keep a table with the study's run."""
        artifacts.put_text(self.client, self.study_run, text, name)

    # -- trials ---------------------------------------------------------------------------------

    @store_errors
    def start(self, trial: Trial) -> None:
        """Open the trial's run, or reopen the one it has."""
        manner = order_of(self.study, trial, resources=self.resources, folder="").manner()
        if trial.name in self.trials:
            state = self.trials[trial.name]
            self.client.update_run(state.run_id, status="RUNNING")
            # Once more, in case that an earlier driver was killed between making and describing.
            self._log_params(state.run_id, trial.configuration, seed=trial.seed)
            # Groups and variants may have other names by now, and the code may be newer.
            self._set(
                state,
                configuration=trial.configuration,
                stage=trial.stage,
                status=Status.RUNNING,
                reason="",
                decision="",
                manner=manner,
                origin=origin(),
            )
            return
        entry = SeedEntry(
            configuration=trial.configuration,
            seed=trial.seed,
            stage=trial.stage,
            manner=manner,
            origin=origin(),
        )
        run = self._make_run(
            _label(trial.configuration, f" seed {trial.seed}"),
            level="seed",
            parent=self._configuration_run(trial.configuration).info.run_id,
            tags=entry.to_tags(),
        )
        self._log_params(run.info.run_id, trial.configuration, seed=trial.seed)
        self.trials[trial.name] = TrialState(run.info.run_id, entry)

    def has_costly_metrics(self, trial: Trial) -> bool:
        """False for a finished trial of a select seed that is to be reported only now."""
        state = self.trials.get(trial.name)
        return state is None or state.status != Status.FINISHED or state.costly_metrics

    @store_errors
    def log(self, trial: Trial, evaluations: Sequence[Evaluation], *, rungs: Sequence[int]) -> None:
        """Write those evaluations that are not recorded yet, few at a time.

        A batch's tags, which say how far the record goes, are written after its metrics, and a
        metric point that is there already is not written twice: a kill at any moment does no harm.
        """
        state = self.trials[trial.name]
        new = [e for e in evaluations if e.iteration > state.iteration]
        if evaluations and not new:  # run again for its costly metrics, its end lacks just these
            last = evaluations[-1]
            lacking = {k: v for k, v in last.metrics.items() if k not in state.metrics}
            if last.iteration == state.iteration and lacking:
                new = [replace(last, metrics=lacking)]
        for start in range(0, len(new), _EVALUATIONS_PER_BATCH):
            self._log_batch(state, new[start : start + _EVALUATIONS_PER_BATCH], rungs)

    def _log_batch(
        self, state: TrialState, evaluations: Sequence[Evaluation], rungs: Sequence[int]
    ) -> None:
        at_rungs = self._rungs(state)
        for e in evaluations:
            value = compared_value(self.study, e.metrics)
            if e.iteration in rungs and value is not None:
                at_rungs[e.iteration] = value
            state.metrics |= _recorded(e)
        last = evaluations[-1]
        state.last_ms = last.timestamp_ms
        state.entry = replace(
            state.entry,
            iteration=last.iteration,
            rungs={compared_key(self.study): at_rungs},
            extractor=last.extractor or state.entry.extractor,
        )
        tags = state.entry.to_tags("iteration", "rungs", "extractor")
        self.client.log_batch(
            state.run_id,
            metrics=[
                Metric(key, value, e.timestamp_ms, e.iteration)
                for e in evaluations
                for key, value in _recorded(e).items()
            ],
            tags=[RunTag(k, v) for k, v in tags.items()],
        )

    def _rungs(self, state: TrialState) -> dict[int, float]:
        """The values of what rungs compare now; values under another word do not count."""
        return dict(state.entry.rungs.get(compared_key(self.study), {}))

    @store_errors
    def rung_values(self, trial: Trial, *, rungs: Sequence[int]) -> Mapping[int, float]:
        """The compared metric at each rung that a recorded trial has reached.

        A study file's metric or rungs may have changed since the trial was recorded.
        """
        state = self.trials[trial.name]
        known = self._rungs(state)
        if any(rung <= state.iteration and rung not in known for rung in rungs):
            metrics: dict[int, dict[str, float]] = {rung: {} for rung in rungs}
            for name in (self.study.compared_metric, *ACTIVE_UNITS):
                for point in self.client.get_metric_history(state.run_id, name):
                    if point.step in metrics:
                        metrics[point.step][name] = point.value
            values = {rung: compared_value(self.study, of) for rung, of in metrics.items()}
            known |= {rung: value for rung, value in values.items() if value is not None}
            state.entry = replace(state.entry, rungs={compared_key(self.study): known})
        return {rung: value for rung, value in known.items() if rung in rungs}

    @store_errors
    def end(
        self,
        trial: Trial,
        status: Status,
        *,
        reason: str = "",
        decision: str = "",
        files: Sequence[Path] = (),
    ) -> None:
        """Close a trial's run with its status, the reason, and its figures or traceback.

        Our status tag is written last: a trial is over when it says so. A driver killed before
        that leaves a trial to be ended again, whatever of its end was written.
        """
        state = self.trials[trial.name]
        for path in files:
            artifacts.put_file(self.client, state.run_id, path)
        self.client.set_terminated(state.run_id, _MLFLOW_STATUS.get(status, "KILLED"))
        self._set(state, status=status, reason=reason, decision=decision)
        state.end_ms = time.time_ns() // 1_000_000

    def recorded(self) -> dict[str, RecordedTrial]:
        """What is recorded of every trial now, by name."""
        metric = self.study.metric.name
        return {
            name: recorded_trial(
                state.run_id,
                state.entry,
                state.metrics,
                metric=metric,
                last_ms=state.last_ms,
                end_ms=state.end_ms,
            )
            for name, state in self.trials.items()
        }

    def _set(self, state: TrialState, **changes: Any) -> None:
        """Change what a trial's run says."""
        state.entry = replace(state.entry, **changes)
        _tag(self.client, state.run_id, state.entry.to_tags(*changes))

    # -- configurations -------------------------------------------------------------------------

    @property
    def configurations(self) -> Collection[str]:
        """Identities of the configurations that have a run."""
        return self._configuration_runs.keys()

    @store_errors
    def note_suggestion(self, configuration: Configuration, suggested: Suggested) -> None:
        """Keep how a configuration was chosen, before any of its trials starts."""
        entry = ConfigurationEntry(configuration=configuration, suggested=suggested)
        is_old = configuration.id in self._configuration_runs
        run = self._configuration_run(configuration, entry=entry)
        if is_old:
            _tag(self.client, run.info.run_id, {SUGGESTED: suggested.to_json()})
        self.suggested[configuration.id] = suggested

    @store_errors
    def summarise(
        self,
        configuration: Configuration,
        statistics: Mapping[str, float],
        *,
        chosen_in: Sequence[str],
    ) -> None:
        """Write mean, std and n of a configuration's seeds, and the groups it was chosen in.

        Args:
            configuration: must have a run already.
            statistics: by metric name, e.g. ``hist_kl.mean``; NaN is left out.
            chosen_in: labels of groups.
        """
        run = self._configuration_run(configuration)
        finite = {key: value for key, value in statistics.items() if math.isfinite(value)}
        chosen = ", ".join(chosen_in)
        before = ConfigurationEntry.from_tags(run.data.tags).chosen_in
        if run.data.metrics == finite and before == chosen:
            return
        now = time.time_ns() // 1_000_000
        # A killed driver may have left the metrics without the tag, which MLflow writes later.
        new = {k: v for k, v in finite.items() if run.data.metrics.get(k) != v}
        self.client.set_terminated(run.info.run_id, "FINISHED")
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, now, 0) for key, value in new.items()],
            tags=[RunTag(CHOSEN, chosen)],
        )

    def _configuration_run(
        self, configuration: Configuration, *, entry: ConfigurationEntry | None = None
    ) -> Run:
        known = self._configuration_runs.get(configuration.id)
        if known is None or not known.data.params:
            known = known or self._make_run(
                _label(configuration),
                level="configuration",
                parent=self.study_run,
                tags=(entry or ConfigurationEntry(configuration=configuration)).to_tags(),
            )
            self._log_params(known.info.run_id, configuration)
            self._configuration_runs[configuration.id] = self.client.get_run(known.info.run_id)
        return self._configuration_runs[configuration.id]

    def _make_run(self, name: str, *, level: str, parent: str, tags: Mapping[str, str]) -> Run:
        return self.client.create_run(
            self.experiment_id, run_name=name, tags={LEVEL: level, _PARENT: parent, **tags}
        )

    def _log_params(self, run_id: str, configuration: Configuration, **more: Any) -> None:
        values = {"trainer": configuration.trainer, **configuration.settings, **more}
        self.client.log_batch(run_id, params=[Param(k, str(v)) for k, v in values.items()])


def _find_or_make_experiment(client: MlflowClient, study: Study, folder: Path) -> str:
    found: Experiment | None = client.get_experiment_by_name(study.name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise ConfigError(
            f"the study {study.name!r} was deleted from the store",
            hint=f"run it under another --name, or bring it back: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}",
        )
    if found is not None:
        return str(found.experiment_id)
    location = artifacts.location_for(client, folder)
    return str(client.create_experiment(study.name, artifact_location=location))


def _find_or_make_study_run(client: MlflowClient, study: Study, experiment_id: str) -> str:
    found = next(runs_of(client, experiment_id, level="study"), None)
    if found is None:
        found = client.create_run(experiment_id, run_name=study.name, tags={LEVEL: "study"})
    run_id = str(found.info.run_id)
    artifacts.put_json(client, run_id, study.to_dict(), artifacts.STUDY)
    client.update_run(run_id, status="RUNNING")
    entry = StudyEntry(
        status=Status.RUNNING,
        module_folders=study.module_folders,
        edition=study.edition,
        expansion=fingerprint(study.to_dict(), expand(study)),
        origin=origin(),
    )
    _tag(client, run_id, entry.to_tags())
    return run_id


def _tag(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])


def _state(run: SeedRun) -> TrialState:
    """Only one driver at a time works on a study: what seems to run was killed."""
    killed = run.entry.status == Status.RUNNING
    return TrialState(
        run_id=run.run_id,
        entry=replace(run.entry, status=Status.INTERRUPTED) if killed else run.entry,
        metrics={name: point.value for name, point in run.metrics.items()},
        last_ms=run.last_ms,
        end_ms=run.end_ms,
    )


def _label(configuration: Configuration, seed: str = "") -> str:
    """How a run is called in the UI; nothing is ever read out of it."""
    return f"{' + '.join(configuration.groups)}{seed} ({configuration.id})"


def _recorded(evaluation: Evaluation) -> dict[str, float]:
    """All numbers of an evaluation, by the names that they have in the record."""
    return {
        **evaluation.metrics,
        SECONDS: evaluation.seconds,
        EVALUATION_SECONDS: evaluation.evaluation_seconds,
        **{f"{SYSTEM}{name}": value for name, value in evaluation.system.items()},
    }
