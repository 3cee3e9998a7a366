"""Runs a whole study: select, report, and the record of both."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from introsearch.errors import ClusterError, RecordError, TooManyFailed
from introsearch.execution.backend import Backend
from introsearch.execution.conductor import Conductor
from introsearch.execution.outcomes import best_stopped
from introsearch.execution.progress import Progress
from introsearch.execution.suggester import Suggester
from introsearch.files import checkpoint_path
from introsearch.record.frames import read_frame
from introsearch.record.recorder import open_recorder
from introsearch.record.results import read_result
from introsearch.record.store import Store
from introsearch.results.result import StudyResult, choose_configurations
from introsearch.results.statistics import seed_statistics
from introsearch.results.status.model import StudyStatus
from introsearch.results.status.standing import standing
from introsearch.statuses import Status
from introsearch.study.model import Stage, Study, Trial, trial_name
from introsearch.study.search.expand import (
    Expansion,
    expand,
    ladder_order,
    report_trials,
    select_trials,
)
from introsearch.study.search.suggestions import expand_suggested
from introsearch.study.sections import Resources
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
        backend: what runs the trials.
    """

    def __init__(
        self,
        study: Study,
        *,
        client: Store,
        folder: Path,
        progress: Progress,
        backend: Backend,
    ) -> None:
        self.study = study
        self.client = client
        self.folder = folder
        self.progress = progress
        self.backend = backend
        self.recorder = open_recorder(client, study, folder=folder)
        self.expansion = self._expand()
        self._num_suggested = len(self.recorder.suggested)
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
            self._select()
            chosen = self._choose()
            self._report({group: i for group, i in chosen.items() if i is not None})
            result = read_result(self.client, self.study)
            self._record_result(result)
            return result
        except (Interrupted, KeyboardInterrupt, ClusterError, OSError):
            self.recorder.end_study(Status.INTERRUPTED)
            raise
        except RecordError:  # nothing can be written to it
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
        groups = {
            group: [t for t in trials if group in t.configuration.groups]
            for group in self.expansion.groups
        }
        while revived := best_stopped(self.study, self.recorder, groups):
            self.progress.say("A group has no trial that finished: its best stopped one goes on.")
            self._run_stage("select", revived, {}, reopen_stopped=True)

    def _report(self, chosen: Mapping[str, str]) -> None:
        trials = report_trials(self.study, self.expansion, chosen)
        self._drop_checkpoints(keep=trials)
        self._run_stage("report", trials, {}, reopen_stopped=True)

    def _run_stage(
        self,
        stage: Stage,
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
        again = stage == "select" and reopen_stopped
        self.progress.start_stage(stage, conductor, look=self._look, again=again)
        if conductor.done:
            return
        if self.resources is None:
            self.resources = self.backend.start(
                self.study.resources, notify=self.progress.say, folder=self.folder
            )
            self.recorder.resources = self.resources
        if not self._run_trials(conductor, self.resources):
            raise Interrupted("interrupted")
        if conductor.too_many_failed:
            raise TooManyFailed(
                conductor.abort_reason,
                hint=f"their tracebacks are in {self.folder / 'failures'}; the same command tries "
                "them again",
            )
        if conductor.abort_reason:
            raise Interrupted(conductor.abort_reason)

    def _run_trials(self, conductor: Conductor, resources: Resources) -> bool:
        """Run what is pending, and record what is interrupted; False if the user interrupted."""
        try:
            self.backend.run(
                conductor,
                resources=resources,
                progress=self.progress,
                folder=self.folder,
                deadline=self.deadline,
            )
        except RecordError:  # what is interrupted cannot be recorded either
            raise
        except KeyboardInterrupt:
            conductor.interrupt()
            return False
        except BaseException:
            conductor.interrupt()
            raise
        conductor.interrupt()
        return conductor.done or bool(conductor.abort_reason)

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

    def _look(self) -> StudyStatus:
        """Where the study stands now."""
        if len(self.recorder.suggested) != self._num_suggested:  # tpe has gone on
            self._num_suggested = len(self.recorder.suggested)
            self.expansion = self._expand()
        return standing(
            self.study,
            self.recorder.recorded(),
            state=Status.RUNNING,
            active=True,
            expansion=self.expansion,
        )

    def _choose(self) -> dict[str, str | None]:
        groups = {c.id: c.groups for c in self.expansion.configurations}
        frame = read_frame(self.client, self.recorder.experiment_id, groups=groups)
        return choose_configurations(self.study, self.expansion, frame)

    def _drop_checkpoints(self, *, keep: Sequence[Trial]) -> None:
        """Checkpoints of the select stage are of no use once the winners are known."""
        kept = {checkpoint_path(self.folder, t.name) for t in keep}
        for path in (self.folder / "checkpoints").glob("*.pt"):
            if path not in kept:
                path.unlink()

    def _record_result(self, result: StudyResult) -> None:
        """Write configuration runs and tables, and close the study's run."""
        winners = {i for i in result.chosen.values() if i is not None}
        of_stage = {True: self.study.seeds.report, False: self.study.seeds.select}
        seeds = {c.id: of_stage[c.id in winners] for c in self.expansion.configurations}
        statistics = seed_statistics(result.frame, seeds=seeds)
        chosen_in: dict[str, list[str]] = {}
        for group, identity in result.chosen.items():
            if identity is not None:
                chosen_in.setdefault(identity, []).append(group)
        for configuration in self.expansion.configurations:
            if configuration.id in self.recorder.configurations:  # closed, whatever it holds
                self.recorder.summarise(
                    configuration,
                    statistics.get(configuration.id, {}),
                    chosen_in=chosen_in.get(configuration.id, []),
                )
        for fmt in ("md", "csv", "tex"):
            self.recorder.attach_table(f"table.{fmt}", result.table(fmt))
        failed = (result.frame["status"] == Status.FAILED).any() or None in result.chosen.values()
        self.recorder.end_study(Status.FAILED if failed else Status.FINISHED)
