"""Runs a whole study: select, report, and the record of both."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from introsearch.cluster.file import LOCAL, LocalCluster, RayCluster
from introsearch.errors import ClusterError, TooManyFailed
from introsearch.execution.conductor import Conductor
from introsearch.execution.progress import Progress
from introsearch.execution.ray.runner import run_trials
from introsearch.execution.ray.start import start_ray
from introsearch.execution.suggester import Suggester
from introsearch.files import checkpoint_path
from introsearch.record.frames import read_frame
from introsearch.record.recorder import Recorder
from introsearch.record.results import read_result
from introsearch.record.store import record_error
from introsearch.results.result import StudyResult, choose_configurations
from introsearch.statuses import Status
from introsearch.study.model import Resources, Study, Trial, trial_name
from introsearch.study.search.expand import (
    Expansion,
    expand,
    ladder_order,
    report_trials,
    select_trials,
)
from introsearch.study.search.suggestions import expand_suggested
from introsearch.study.stopping.ladder import Ladder
from introsearch.study.stopping.schedule import rung_unit


class Interrupted(Exception):
    """The user pressed Ctrl-C, or the budget is used up; the same command continues."""


class StudyRunner:
    """Brings a study from wherever its record stands to its end.

    Args:
        study: what to run.
        client: of an open MLflow store.
        folder: for checkpoints and figures; shared by all nodes.
        progress: what the user sees.
        cluster: where trials run.
    """

    def __init__(
        self,
        study: Study,
        *,
        client: MlflowClient,
        folder: Path,
        progress: Progress,
        cluster: LocalCluster | RayCluster = LOCAL,
    ) -> None:
        self.study = study
        self.client = client
        self.folder = folder
        self.progress = progress
        self.cluster = cluster
        self.recorder = Recorder(client, study, folder=folder)
        self.expansion = self._expand()
        self.resources: Resources | None = None
        hours = study.budget.max_hours
        self.deadline = math.inf if hours is None else time.monotonic() + 3600 * hours

    def run(self) -> StudyResult:
        """Run what is not recorded yet, and return the study's result.

        Raises:
            Interrupted: by the user or the budget.
            RecordError: the MLflow store stopped answering, for longer than MLflow is patient.
        """
        try:
            return self._run_stages()
        except MlflowException as error:
            raise record_error(error) from error

    def _run_stages(self) -> StudyResult:
        try:
            self._select()
            chosen = self._choose()
            self._report({group: i for group, i in chosen.items() if i is not None})
            result = read_result(self.client, self.study)
            self._record_result(result)
            return result
        except (Interrupted, KeyboardInterrupt, ClusterError, OSError):
            self.recorder.end_study(Status.INTERRUPTED)
            raise
        except MlflowException:
            raise
        except Exception:
            self.recorder.end_study(Status.FAILED)
            raise

    def _expand(self) -> Expansion:
        """All configurations that are known by now."""
        if self.study.method != "tpe":
            return expand(self.study)
        return expand_suggested(self.study, self.recorder.suggested.values())

    def _select(self) -> None:
        if not self.study.seeds.select:
            return
        tpe = self.study.method == "tpe"
        suggester = Suggester(self.study, self.recorder) if tpe else None
        trials = select_trials(self.study, self.expansion)
        self._run_stage("select", trials, self._ladders(), suggester=suggester)
        self.expansion = self._expand()
        trials = select_trials(self.study, self.expansion)
        while revived := self._best_stopped(trials):
            self.progress.say("A group has no trial that finished: its best stopped one goes on.")
            self._run_stage("select, continued", revived, {}, reopen_stopped=True)

    def _report(self, chosen: Mapping[str, str]) -> None:
        trials = report_trials(self.study, self.expansion, chosen)
        self._drop_checkpoints(keep=trials)
        self._run_stage("report", trials, {}, reopen_stopped=True)

    def _run_stage(
        self,
        name: str,
        trials: Sequence[Trial],
        ladders: Mapping[str, Ladder],
        *,
        reopen_stopped: bool = False,
        suggester: Suggester | None = None,
    ) -> None:
        conductor = Conductor(
            self.study,
            self.recorder,
            trials=trials,
            ladders=ladders,
            folder=self.folder,
            reopen_stopped=reopen_stopped,
            suggester=suggester,
        )
        self.progress.start_stage(name, conductor)
        if conductor.done:
            return
        if self.resources is None:
            self.resources = start_ray(
                self.cluster,
                self.study.resources,
                notify=self.progress.say,
                messages=self.folder / "ray.txt",
            )
            self.recorder.resources = self.resources
        completed = run_trials(
            conductor,
            resources=self.resources,
            progress=self.progress,
            folder=self.folder,
            deadline=self.deadline,
        )
        if not completed:
            raise Interrupted("interrupted")
        if conductor.too_many_failed:
            raise TooManyFailed(
                conductor.abort_reason,
                hint=f"their tracebacks are in {self.folder / 'failures'}; the same command tries "
                "them again",
            )
        if conductor.abort_reason:
            raise Interrupted(conductor.abort_reason)

    def _ladders(self) -> dict[str, Ladder]:
        """One ladder per group, over its trials in a fixed random order."""
        rule = self.study.early_terminate
        if rule is None:
            return {}
        return {
            group: Ladder(
                ladder_order(self.study, self.expansion, group),
                rule.rungs,
                eta=rule.eta,
                goal=self.study.metric.goal,
                units={
                    trial_name(c.id, seed): rung_unit(self.study, c)
                    for c in self.expansion.members[group]
                    for seed in self.study.seeds.select
                },
            )
            for group in self.expansion.groups
        }

    def _choose(self) -> dict[str, str | None]:
        groups = {c.id: c.groups for c in self.expansion.configurations}
        frame = read_frame(self.client, self.recorder.experiment_id, groups=groups)
        return choose_configurations(self.study, self.expansion, frame)

    def _best_stopped(self, trials: Sequence[Trial]) -> list[Trial]:
        """In groups that nobody finished, the trials of the configuration that got furthest."""
        states = self.recorder.trials
        sign = 1 if self.study.metric.goal == "minimize" else -1
        revived: dict[str, Trial] = {}
        for group in self.expansion.groups:
            by_configuration: dict[str, list[Trial]] = {}
            for trial in trials:
                if group in trial.configuration.groups:
                    by_configuration.setdefault(trial.configuration.id, []).append(trial)
            statuses = {
                i: {states[t.name].status for t in members}
                for i, members in by_configuration.items()
            }
            if any(s == {Status.FINISHED} for s in statuses.values()):
                continue
            candidates = [
                members
                for i, members in by_configuration.items()
                if statuses[i] <= {Status.FINISHED, Status.STOPPED}
            ]
            if candidates:
                best = min(candidates, key=lambda members: self._progress(members, sign))
                revived |= {t.name: t for t in best if states[t.name].status == Status.STOPPED}
        return list(revived.values())

    def _progress(self, trials: Sequence[Trial], sign: int) -> tuple[float, float]:
        """Sorts configurations: the furthest rung that all seeds reached, then the mean there."""
        states = [self.recorder.trials[trial.name] for trial in trials]
        reached = min(max(s.rungs, default=-1) for s in states)
        values = [s.rungs[reached] for s in states if reached in s.rungs]
        rung = reached / rung_unit(self.study, trials[0].configuration)
        return -rung, sign * sum(values) / len(values) if values else math.inf

    def _drop_checkpoints(self, *, keep: Sequence[Trial]) -> None:
        """Checkpoints of the select stage are of no use once the winners are known."""
        kept = {checkpoint_path(self.folder, t.name) for t in keep}
        for path in (self.folder / "checkpoints").glob("*.pt"):
            if path not in kept:
                path.unlink()

    def _record_result(self, result: StudyResult) -> None:
        """Write configuration runs and tables, and close the study's run."""
        statistics = self._configuration_statistics(result)
        chosen_in: dict[str, list[str]] = {}
        for group, identity in result.chosen.items():
            if identity is not None:
                chosen_in.setdefault(identity, []).append(group)
        for configuration in self.expansion.configurations:
            if configuration.id in self.recorder.configuration_runs:  # closed, whatever it holds
                self.recorder.summarise(
                    configuration,
                    statistics.get(configuration.id, {}),
                    chosen_in=chosen_in.get(configuration.id, []),
                )
        for fmt in ("md", "csv", "tex"):
            self.recorder.attach_table(f"table.{fmt}", result.table(fmt))
        failed = (result.frame["status"] == Status.FAILED).any() or None in result.chosen.values()
        self.recorder.end_study(Status.FAILED if failed else Status.FINISHED)

    def _configuration_statistics(self, result: StudyResult) -> dict[str, dict[str, float]]:
        """mean, std and n of each configuration, over report seeds if it was chosen."""
        statistics: dict[str, dict[str, float]] = {}
        winners = {i for i in result.chosen.values() if i is not None}
        frame = result.frame
        metrics = [c.removeprefix("metric.") for c in frame if c.startswith("metric.")]
        for identity, runs in frame[frame["status"] == Status.FINISHED].groupby("config_id"):
            seeds = self.study.seeds.report if identity in winners else self.study.seeds.select
            counted = runs[runs["seed"].isin(seeds)]
            statistics[str(identity)] = {"n": float(len(counted))}
            for metric in metrics:
                values = counted[f"metric.{metric}"].astype(float)
                statistics[str(identity)] |= {
                    f"{metric}.mean": float(values.mean()),
                    f"{metric}.std": float(values.std(ddof=1)),
                }
        return statistics
