"""The record of a study in MLflow: study > configuration > seed, written by the driver alone."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from introsearch.errors import ConfigError
from introsearch.record import tags as record
from introsearch.record.provenance import provenance
from introsearch.record.runs import runs_of, suggested_in
from introsearch.record.views import views
from introsearch.statuses import Status
from introsearch.study.model import Configuration, Study, Trial, trial_name
from introsearch.study.search.edits import fingerprint
from introsearch.study.search.expand import expand
from introsearch.study.search.suggestions import Suggested
from introsearch.study.stopping.compared import ACTIVE_UNITS, compared_key, compared_value
from introsearch.trial.evaluation import EVALUATION_SECONDS, SECONDS, Evaluation
from introsearch.trial.order import order_of

PARENT = "mlflow.parentRunId"
EVALUATIONS_PER_BATCH = 20  # MLflow splits batches of more than 1,000 metrics
MLFLOW_STATUS = {
    Status.FINISHED: "FINISHED",
    Status.STOPPED: "FINISHED",
    Status.DIVERGED: "FAILED",
    Status.FAILED: "FAILED",
}


@dataclass
class TrialState:
    """What the record knows of a trial.

    Attributes:
        run_id: of its seed run.
        status: one of the statuses in `record.tags`.
        iteration: the last iteration that is recorded; -1 if none.
        rungs: the metric that rungs compare, by iteration.
        metrics: last values.
        costly_metrics: whether its worker was told to compute the costly metrics too.
    """

    run_id: str
    status: Status = Status.RUNNING
    iteration: int = -1
    rungs: dict[int, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    costly_metrics: bool = True


class Recorder:
    """Finds or makes the runs of a study, and writes to them. Reopening one continues it.

    Args:
        client: of an open store.
        study: the study; its name is the experiment's.
        folder: of the study's files; artifacts of a local store go there too.

    Attributes:
        resources: what a trial really gets.
        suggested: what tpe has suggested so far, by configuration.
    """

    def __init__(self, client: MlflowClient, study: Study, *, folder: Path) -> None:
        self.client = client
        self.study = study
        self.resources = study.resources
        self.experiment_id = self._find_or_make_experiment(folder)
        self.study_run = self._find_or_make_study_run()
        for tag, view in views(study).items():
            client.set_experiment_tag(self.experiment_id, tag, view)
        self.configuration_runs = {
            run.data.tags[record.CONFIG_ID]: run
            for run in runs_of(client, self.experiment_id, level="configuration")
        }
        self.suggested = suggested_in(self.configuration_runs.values())
        self.trials = {
            trial_name(run.data.tags[record.CONFIG_ID], int(run.data.tags[record.SEED])): _state(
                run, key=compared_key(study)
            )
            for run in runs_of(client, self.experiment_id, level="seed")
        }

    # -- study ----------------------------------------------------------------------------------

    def _find_or_make_experiment(self, folder: Path) -> str:
        found = self.client.get_experiment_by_name(self.study.name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise ConfigError(
                f"the study {self.study.name!r} was deleted from the store",
                hint=f"run it under another --name, or bring it back: "
                f"mlflow experiments restore --experiment-id {found.experiment_id}",
            )
        if found is not None:
            return str(found.experiment_id)
        local = self.client.tracking_uri.startswith("sqlite:")
        location = (folder / "artifacts").resolve().as_uri() if local else None
        return str(self.client.create_experiment(self.study.name, artifact_location=location))

    def _find_or_make_study_run(self) -> str:
        found = next(runs_of(self.client, self.experiment_id, level="study"), None)
        if found is None:
            found = self.client.create_run(
                self.experiment_id, run_name=self.study.name, tags={record.LEVEL: "study"}
            )
        run_id = str(found.info.run_id)
        self.client.log_dict(run_id, self.study.to_dict(), record.STUDY_ARTIFACT)
        self.client.update_run(run_id, status="RUNNING")
        folders = json.dumps(self.study.module_folders)
        tags = {
            record.STATUS: Status.RUNNING,
            record.MODULE_FOLDERS: folders,
            record.EXPANSION: fingerprint(self.study.to_dict(), expand(self.study)),
        }
        self._tag(run_id, provenance() | tags)
        return run_id

    def end_study(self, status: Status) -> None:
        """Close the study's own run; `status` is `FINISHED`, `FAILED` or `INTERRUPTED`."""
        self.client.set_terminated(self.study_run, MLFLOW_STATUS.get(status, "KILLED"))
        self._tag(self.study_run, {record.STATUS: status})

    def attach_table(self, name: str, text: str) -> None:
        """Keep a table with the study's run."""
        self.client.log_text(self.study_run, text, name)

    # -- trials ---------------------------------------------------------------------------------

    def start(self, trial: Trial) -> None:
        """Open the trial's run, or reopen the one it has."""
        if trial.name in self.trials:
            state = self.trials[trial.name]
            state.status = Status.RUNNING
            self.client.update_run(state.run_id, status="RUNNING")
            # Once more, in case that an earlier driver was killed between making and describing.
            self._log_params(state.run_id, trial.configuration, seed=trial.seed)
            again = {
                record.STAGE: trial.stage,
                record.STATUS: Status.RUNNING,
                record.REASON: "",
                record.DECISION: "",
                record.MANNER: self._manner(trial),
            }
            # Groups and variants may have other names by now, and the code may be newer.
            self._tag(state.run_id, _configuration_tags(trial.configuration) | provenance() | again)
            return
        run = self._make_run(
            _label(trial.configuration, f" seed {trial.seed}"),
            level="seed",
            parent=self._configuration_run(trial.configuration).info.run_id,
            tags=_configuration_tags(trial.configuration)
            | {
                record.SEED: str(trial.seed),
                record.STAGE: trial.stage,
                record.STATUS: Status.RUNNING,
                record.MANNER: self._manner(trial),
            }
            | provenance(),
        )
        self._log_params(run.info.run_id, trial.configuration, seed=trial.seed)
        self.trials[trial.name] = TrialState(run.info.run_id)

    def _manner(self, trial: Trial) -> str:
        order = order_of(self.study, trial, resources=self.resources, folder="")
        return json.dumps(order.manner())

    def has_costly_metrics(self, trial: Trial) -> bool:
        """False for a finished trial of a select seed that is to be reported only now."""
        state = self.trials.get(trial.name)
        return state is None or state.status != Status.FINISHED or state.costly_metrics

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
        for start in range(0, len(new), EVALUATIONS_PER_BATCH):
            self._log_batch(state, new[start : start + EVALUATIONS_PER_BATCH], rungs)

    def _log_batch(
        self, state: TrialState, evaluations: Sequence[Evaluation], rungs: Sequence[int]
    ) -> None:
        for e in evaluations:
            value = compared_value(self.study, e.metrics)
            if e.iteration in rungs and value is not None:
                state.rungs[e.iteration] = value
            state.metrics |= e.metrics
        state.iteration = evaluations[-1].iteration
        tags = {
            record.ITERATION: str(state.iteration),
            record.RUNGS: json.dumps({compared_key(self.study): state.rungs}),
        }
        if evaluations[-1].extractor:
            tags[record.EXTRACTOR] = evaluations[-1].extractor
        self.client.log_batch(
            state.run_id,
            metrics=[
                Metric(key, value, e.timestamp_ms, e.iteration)
                for e in evaluations
                for key, value in _recorded(e).items()
            ],
            tags=[RunTag(k, v) for k, v in tags.items()],
        )

    def rung_values(self, trial: Trial, *, rungs: Sequence[int]) -> Mapping[int, float]:
        """The compared metric at each rung that a recorded trial has reached.

        A study file's metric or rungs may have changed since the trial was recorded.
        """
        state = self.trials[trial.name]
        if any(rung <= state.iteration and rung not in state.rungs for rung in rungs):
            metrics: dict[int, dict[str, float]] = {rung: {} for rung in rungs}
            for name in (self.study.compared_metric, *ACTIVE_UNITS):
                for point in self.client.get_metric_history(state.run_id, name):
                    if point.step in metrics:
                        metrics[point.step][name] = point.value
            values = {rung: compared_value(self.study, of) for rung, of in metrics.items()}
            state.rungs |= {rung: value for rung, value in values.items() if value is not None}
        return {rung: value for rung, value in state.rungs.items() if rung in rungs}

    def end(
        self,
        trial: Trial,
        status: Status,
        *,
        reason: str = "",
        decision: str = "",
        artifacts: Sequence[Path] = (),
    ) -> None:
        """Close a trial's run with its status, the reason, and its figures or traceback.

        Our status tag is written last: a trial is over when it says so. A driver killed before
        that leaves a trial to be ended again, whatever of its end was written.
        """
        state = self.trials[trial.name]
        state.status = status
        for path in artifacts:
            self.client.log_artifact(state.run_id, str(path))
        self.client.set_terminated(state.run_id, MLFLOW_STATUS.get(status, "KILLED"))
        self._tag(
            state.run_id,
            {record.STATUS: status, record.REASON: reason[:500], record.DECISION: decision},
        )

    # -- configurations -------------------------------------------------------------------------

    def note_suggestion(self, configuration: Configuration, suggested: Suggested) -> None:
        """Keep how a configuration was chosen, before any of its trials starts."""
        tag = {record.SUGGESTED: suggested.to_json()}
        is_old = configuration.id in self.configuration_runs
        run = self._configuration_run(configuration, more=tag)
        if is_old:
            self._tag(run.info.run_id, tag)
        self.suggested[configuration.id] = suggested

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
        if run.data.metrics == finite and run.data.tags.get(record.CHOSEN) == chosen:
            return
        now = time.time_ns() // 1_000_000
        # A killed driver may have left the metrics without the tag, which MLflow writes later.
        new = {k: v for k, v in finite.items() if run.data.metrics.get(k) != v}
        self.client.set_terminated(run.info.run_id, "FINISHED")
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, now, 0) for key, value in new.items()],
            tags=[RunTag(record.CHOSEN, chosen)],
        )

    def _configuration_run(
        self, configuration: Configuration, *, more: Mapping[str, str] | None = None
    ) -> Run:
        known = self.configuration_runs.get(configuration.id)
        if known is None or not known.data.params:
            known = known or self._make_run(
                _label(configuration),
                level="configuration",
                parent=self.study_run,
                tags={**_configuration_tags(configuration), **(more or {})},
            )
            self._log_params(known.info.run_id, configuration)
            self.configuration_runs[configuration.id] = self.client.get_run(known.info.run_id)
        return self.configuration_runs[configuration.id]

    def _make_run(self, name: str, *, level: str, parent: str, tags: Mapping[str, str]) -> Run:
        return self.client.create_run(
            self.experiment_id,
            run_name=name,
            tags={record.LEVEL: level, PARENT: parent, **tags},
        )

    def _log_params(self, run_id: str, configuration: Configuration, **more: Any) -> None:
        values = {
            "trainer": configuration.trainer,
            **configuration.settings,
            **more,
        }
        self.client.log_batch(run_id, params=[Param(k, str(v)) for k, v in values.items()])

    def _tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])


def _state(run: Run, *, key: str) -> TrialState:
    tags = run.data.tags
    status = Status(tags[record.STATUS])
    rungs = json.loads(tags.get(record.RUNGS, "{}")).get(key, {})
    return TrialState(
        run_id=run.info.run_id,
        # Only one driver at a time works on a study: what seems to run was killed.
        status=Status.INTERRUPTED if status == Status.RUNNING else status,
        iteration=int(tags.get(record.ITERATION, -1)),
        rungs={int(k): v for k, v in rungs.items()},
        metrics=dict(run.data.metrics),
        costly_metrics=json.loads(tags.get(record.MANNER, "{}")).get("costly_metrics", True),
    )


def _label(configuration: Configuration, seed: str = "") -> str:
    """How a run is called in the UI; nothing is ever read out of it."""
    return f"{' + '.join(configuration.groups)}{seed} ({configuration.id})"


def _configuration_tags(configuration: Configuration) -> dict[str, str]:
    return {
        record.CONFIG_ID: configuration.id,
        record.TRAINER: configuration.trainer,
        record.SETTINGS: json.dumps(configuration.settings),
        record.GROUPS: json.dumps(configuration.groups),
        record.VARIANTS: json.dumps(configuration.variants),
        "group": " + ".join(configuration.groups),  # for columns of the UI
        "variant": " + ".join(configuration.variants),
    }


def _recorded(evaluation: Evaluation) -> dict[str, float]:
    """All numbers of an evaluation, by the names that they have in the record."""
    return {
        **evaluation.metrics,
        SECONDS: evaluation.seconds,
        EVALUATION_SECONDS: evaluation.evaluation_seconds,
    }
