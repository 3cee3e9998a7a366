"""The words for where a study stands; `results.status.standing` finds it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from introsearch.statuses import Status
from introsearch.study.model import Stage

STATES = (
    Status.FINISHED, Status.RUNNING, Status.STOPPED, Status.DIVERGED, Status.FAILED,
    Status.INTERRUPTED, Status.PENDING,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedTrial:
    """What the record says of a trial now.

    Attributes:
        run_id: of its seed run.
        config_id: identity of its configuration.
        seed: its seed.
        stage: the one that it was started for last.
        status: where it stands.
        reason: why it diverged or failed.
        decision: of early termination.
        iteration: the last one that is recorded.
        value: the study's metric there.
        seconds: wall time spent on it.
        evaluation_seconds: the part of it that metrics and figures took.
        last_ms: when it was last evaluated, in milliseconds since 1970.
        end_ms: when its run was closed.
        active_units: of the latent that has the fewest, at the last evaluation.
    """

    run_id: str
    config_id: str
    seed: int
    stage: Stage = "select"
    status: Status
    reason: str = ""
    decision: str = ""
    iteration: int = 0
    value: float | None = None
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    last_ms: int | None = None
    end_ms: int | None = None
    active_units: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStatus:
    """Where a trial of a study stands.

    Attributes:
        name: its name.
        stage: ``select`` or ``report``.
        groups: labels of its groups.
        config_id: identity of its configuration.
        seed: its seed.
        status: one of `STATES`.
        iterations: when it will have finished.
        iteration, value, seconds, decision, reason, run_id, last_ms, end_ms, active_units: as in
            `RecordedTrial`.
    """

    name: str
    stage: Stage
    groups: tuple[str, ...]
    config_id: str
    seed: int
    status: Status
    iterations: int
    iteration: int = 0
    value: float | None = None
    seconds: float = 0.0
    decision: str = ""
    reason: str = ""
    run_id: str | None = None
    last_ms: int | None = None
    end_ms: int | None = None
    active_units: float | None = None

    @property
    def has_collapsed(self) -> bool:
        """Whether some latent had no active unit when the trial was last evaluated."""
        return self.active_units == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupStatus:
    """The trials of a stage in one group, or in all of them (`group` is empty).

    Attributes:
        counts: number of trials by status.
        best: mean of the study's metric over the seeds of the best configuration so far.
        config_id: that configuration.
    """

    stage: Stage
    group: str
    counts: Mapping[Status, int]
    best: float | None = None
    config_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyStatus:
    """Where a study stands.

    Attributes:
        study: its name.
        metric: what its trials are compared by.
        goal: ``minimize`` or ``maximize``.
        state: ``running``, ``finished``, ``failed`` or ``interrupted``.
        active: whether a `run` works on it; None if that cannot be seen from here.
        groups: per stage, every group and then all of them.
        trials: every trial that is known to belong to the study, in the order of its stages.
        num_others: recorded trials of configurations that the study does not have any more.
        eta_seconds: until all is done, once a `run` works on it; None if nothing can be said yet.
        at_once: trials at work at a time.
        last_ms: the last evaluation, in milliseconds since 1970.
        evaluation_share: of the time spent so far, what metrics and figures took, from 0 to 1;
            None before anything was timed.
    """

    study: str
    metric: str
    goal: str
    state: Status
    active: bool | None
    groups: tuple[GroupStatus, ...]
    trials: tuple[TrialStatus, ...]
    num_others: int
    eta_seconds: float | None
    at_once: float
    last_ms: int | None
    evaluation_share: float | None = None

    def decisions(self) -> list[TrialStatus]:
        """Trials that early termination has judged, the latest first."""
        return _latest_first(t for t in self.trials if "keep " in t.decision)

    def failures(self) -> list[TrialStatus]:
        """Trials that diverged or failed, the latest first."""
        bad = (Status.DIVERGED, Status.FAILED)
        return _latest_first(t for t in self.trials if t.status in bad)

    def collapsed(self) -> list[TrialStatus]:
        """Trials of which some latent had no active unit when they were last evaluated."""
        return [t for t in self.trials if t.has_collapsed]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; trials that were judged early, or have collapsed, by name."""
        named = {"decisions": self.decisions(), "collapsed": self.collapsed()}
        return asdict(self) | {word: [t.name for t in trials] for word, trials in named.items()}


def _latest_first(trials: Iterable[TrialStatus]) -> list[TrialStatus]:
    unique = {trial.name: trial for trial in trials}
    return sorted(unique.values(), key=lambda t: t.end_ms or 0, reverse=True)
