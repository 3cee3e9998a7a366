"""Decides what happens to every trial of a stage, and has it recorded; knows nothing of Ray."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from introsearch.execution.crashes import crash_reason, without_colours
from introsearch.execution.outcomes import outcome_of
from introsearch.execution.suggester import Suggester
from introsearch.files import checkpoint_path, figure_paths, traceback_path
from introsearch.record.recorder import Recorder
from introsearch.statuses import SETTLED, Status
from introsearch.study.model import Configuration, Study, Trial, trial_name
from introsearch.study.search.suggestions import Outcome
from introsearch.study.stopping.compared import compared_value, fewest_active_units
from introsearch.study.stopping.ladder import Decision, Ladder
from introsearch.study.stopping.schedule import rung_unit, rungs_of
from introsearch.trial.evaluation import Evaluation


@dataclass
class _OpenTrial:
    """A trial whose outcome is not recorded yet."""

    trial: Trial
    evaluations: list[Evaluation] = field(default_factory=list)
    status: Status = Status.RUNNING
    reason: str = ""


class Conductor:
    """Listens to the trials of one stage, stops them by their groups' ladders, and records them.

    A ladder's decision about a trial can depend on trials that are not there yet. Until it is
    made the trial goes on, but what it reports is held back: the record is the same whatever the
    order in which reports arrive.

    Args:
        study: the study.
        recorder: where outcomes go.
        trials: all trials of the stage, in ladder order.
        ladders: by group; empty in a stage without early stopping.
        folder: of checkpoints and figures.
        reopen_stopped: run stopped trials on to their end.
        suggester: where more trials come from; None if `trials` are all.
    """

    def __init__(
        self,
        study: Study,
        recorder: Recorder,
        *,
        trials: Sequence[Trial],
        ladders: Mapping[str, Ladder],
        folder: Path,
        reopen_stopped: bool = False,
        suggester: Suggester | None = None,
    ) -> None:
        self.study = study
        self.recorder = recorder
        self.trials: dict[str, Trial] = {}
        self.ladders = ladders
        self.folder = folder
        self.suggester = suggester
        self.queue: deque[Trial] = deque()
        self.open: dict[str, _OpenTrial] = {}
        self.ended: set[str] = set()
        self.failures: dict[str, str] = {}  # trials that failed by now, and why
        self.abort_reason = ""
        self.too_many_failed = False
        self._settled = SETTLED - ({Status.STOPPED} if reopen_stopped else set())
        self._unmeasured = {
            trial.name
            for trial in trials
            if trial.stage == "report" and not recorder.has_costly_metrics(trial)
        }
        for trial in trials:
            self._take_in(trial)

    # -- what the runner asks and tells ---------------------------------------------------------

    def pending(self) -> list[Trial]:
        """Trials that must still run; one that crashed just now is left to the next `run`."""
        return [
            trial
            for name, trial in self.trials.items()
            if name not in self.ended
            and (self.status(name) not in self._settled or name in self._unmeasured)
        ]

    @property
    def done(self) -> bool:
        """Whether nothing is left to run."""
        return not self.to_come() and not self.pending()

    def offer(self) -> None:
        """Queue all pending trials for `next_trial`."""
        self.queue = deque(self.pending())

    def next_trial(self) -> Trial | None:
        """The next trial to start; None if there is none before others have ended."""
        if self.suggester is not None:
            for configuration in self.suggester.more(self._outcome):
                self._add(configuration)
        return self.queue.popleft() if self.queue else None

    def on_start(self, name: str) -> None:
        """A trial is about to run, for the first time or again."""
        if name not in self.open and name not in self.ended:
            trial = self.trials[name]
            self.open[name] = _OpenTrial(trial)
            self.recorder.start(trial)

    def on_evaluation(self, name: str, evaluation: Evaluation) -> bool:
        """A trial reports; hearing the same report twice changes nothing.

        Returns:
            True if the trial should stop.
        """
        if name not in self.open:
            return True
        opened = self.open[name]
        if not opened.evaluations or evaluation.iteration > opened.evaluations[-1].iteration:
            opened.evaluations.append(evaluation)
            opened.status, opened.reason = evaluation.status, evaluation.reason
            self._tell_ladders(opened, evaluation)
            self._settle()
        return name not in self.open

    def on_crash(self, name: str, traceback: str, *, killed_by_kernel: bool = False) -> None:
        """A trial has crashed more often than it may be restarted, or could not even start."""
        self.on_start(name)
        if name in self.ended:  # its outcome was certain before
            return
        opened = self.open[name]
        path = traceback_path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(without_colours(traceback))
        opened.status = Status.FAILED
        opened.reason = crash_reason(traceback, killed_by_kernel=killed_by_kernel)
        for ladder in self._ladders_of(opened.trial):
            ladder.end(name, Status.FAILED)
        self._settle()
        limit = self.study.budget.max_failed_trials
        failed = sum(self.status(ended) == Status.FAILED for ended in self.ended)
        if limit is not None and failed > limit:
            self.abort(f"more than {limit} trials failed (budget.max_failed_trials)")
            self.too_many_failed = True

    def abort(self, reason: str) -> None:
        """Give the stage up: nothing more is started, and what runs is interrupted."""
        self.abort_reason = reason

    def end_time(self) -> None:
        """Give the stage up because the study's time is over."""
        self.abort("the time is over (budget.max_hours)")

    def interrupt(self) -> None:
        """Record that the trials still open were interrupted; the next `run` continues them.

        So were those that a killed driver left open, and that have not begun again.
        """
        for name, trial in self.trials.items():
            if self.status(name) == Status.INTERRUPTED:
                self.recorder.end(trial, Status.INTERRUPTED)
        for name, opened in list(self.open.items()):
            self._log_confirmed(opened)
            self.recorder.end(opened.trial, Status.INTERRUPTED)
            del self.open[name]

    # -- where things stand ---------------------------------------------------------------------

    def status(self, name: str) -> Status:
        """A trial's status in the record; `PENDING` if it has none."""
        state = self.recorder.trials.get(name)
        return state.status if state else Status.PENDING

    @property
    def num_trials(self) -> int:
        """How many trials the stage has, those to be suggested among them."""
        return len(self.trials) + self.to_come()

    def to_come(self) -> int:
        """How many trials are still to be suggested."""
        if self.suggester is None:
            return 0
        return self.suggester.to_come() * len(self.study.seeds.select)

    # -- inside ---------------------------------------------------------------------------------

    def _add(self, configuration: Configuration) -> None:
        """Take in the trials of a configuration that was suggested just now."""
        for seed in self.study.seeds.select:
            trial = Trial(configuration=configuration, seed=seed, stage="select")
            for ladder in self._ladders_of(trial):
                ladder.append(trial.name, unit=rung_unit(self.study, configuration))
            self._take_in(trial)
            if self.status(trial.name) not in self._settled:
                self.queue.append(trial)

    def _take_in(self, trial: Trial) -> None:
        self.trials[trial.name] = trial
        self._recall(trial)

    def _outcome(self, config_id: str) -> Outcome | None:
        """How well a configuration did in the select stage; None as long as a seed is open."""
        names = [trial_name(config_id, seed) for seed in self.study.seeds.select]
        if any(n not in self.ended and self.status(n) not in self._settled for n in names):
            return None
        return outcome_of(self.study, self.recorder, [self.trials[name] for name in names])

    def _recall(self, trial: Trial) -> None:
        """Give the ladders what the record knows of a trial from earlier runs of the study."""
        state = self.recorder.trials.get(trial.name)
        if state is None or state.status not in SETTLED:
            return
        ladders = self._ladders_of(trial)
        rungs = rungs_of(self.study, trial.configuration)
        values = self.recorder.rung_values(trial, rungs=rungs) if ladders else {}
        for ladder in ladders:
            for iteration, value in sorted(values.items()):
                ladder.report(trial.name, iteration, value)
            ladder.end(trial.name, state.status)

    def _ladders_of(self, trial: Trial) -> list[Ladder]:
        return [self.ladders[g] for g in trial.configuration.groups if g in self.ladders]

    def _tell_ladders(self, opened: _OpenTrial, evaluation: Evaluation) -> None:
        value = compared_value(self.study, evaluation.metrics)
        for ladder in self._ladders_of(opened.trial):
            if value is not None:
                ladder.report(opened.trial.name, evaluation.iteration, value)
            if evaluation.status != Status.RUNNING:
                ladder.end(opened.trial.name, evaluation.status)

    def _settle(self) -> None:
        """Record all that has become certain, about any open trial."""
        for name, opened in list(self.open.items()):
            self._log_confirmed(opened)
            decisions = [ladder.decision(name) for ladder in self._ladders_of(opened.trial)]
            text = "; ".join(d.text for d in decisions) + self._collapse(opened, decisions)
            if decisions and all(d.action == "stop" for d in decisions):
                self._end(opened, Status.STOPPED, text)
            elif opened.status != Status.RUNNING and all(d.action != "wait" for d in decisions):
                self._end(opened, opened.status, text)

    def _collapse(self, opened: _OpenTrial, decisions: Sequence[Decision]) -> str:
        """In words, if a trial ranks last because it has collapsed; with a blank before."""
        rung = max((d.iteration for d in decisions if d.iteration is not None), default=None)
        for evaluation in opened.evaluations:
            value = compared_value(self.study, evaluation.metrics)
            if evaluation.iteration == rung and value is not None and math.isnan(value):
                units = fewest_active_units(evaluation.metrics)
                return "" if units is None else f" ({units:g} active units)"
        return ""

    def _log_confirmed(self, opened: _OpenTrial) -> None:
        limits = [ladder.confirmed(opened.trial.name) for ladder in self._ladders_of(opened.trial)]
        known = [limit for limit in limits if limit is not None]
        certain = opened.evaluations
        if limits and len(known) == len(limits):
            certain = [e for e in certain if e.iteration <= max(known)]
        rungs = rungs_of(self.study, opened.trial.configuration)
        self.recorder.log(opened.trial, certain, rungs=rungs)

    def _end(self, opened: _OpenTrial, status: Status, decision: str) -> None:
        name = opened.trial.name
        files = figure_paths(self.folder, name, up_to=self.recorder.trials[name].iteration)
        if status == Status.FAILED:
            self.failures[name] = opened.reason
            files = [*files, traceback_path(self.folder, name)]
        else:  # it may be there from an attempt before
            traceback_path(self.folder, name).unlink(missing_ok=True)
        reason = "" if status == Status.STOPPED else opened.reason
        self.recorder.end(opened.trial, status, reason=reason, decision=decision, files=files)
        del self.open[name]
        self.ended.add(name)
        if opened.trial.stage == "select" and status in (Status.FINISHED, Status.DIVERGED):
            checkpoint_path(self.folder, name).unlink(missing_ok=True)
