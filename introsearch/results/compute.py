"""What a study cost, and what early termination saved."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from introsearch.results.columns import METRIC, PARAM
from introsearch.statuses import Status
from introsearch.study.model import Study
from introsearch.trial.evaluation import EVALUATION_SECONDS, SECONDS
from introsearch.wording import count, duration, hours


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """Training time of all recorded trials.

    Attributes:
        trials: how many.
        seconds: on trials, summed over those that ran side by side too.
        evaluation_seconds: the part of them that metrics and figures took.
        saved_seconds: what stopped trials would have taken to their end, at their own speed.
        core_hours: `seconds` times the cores of a trial.
        gpu_hours: `seconds` times the GPUs of a trial.
    """

    trials: int
    seconds: float
    evaluation_seconds: float
    saved_seconds: float
    core_hours: float
    gpu_hours: float

    @property
    def saved_share(self) -> float:
        """Saved time, of what the study would have taken without early termination."""
        total = self.seconds + self.saved_seconds
        return self.saved_seconds / total if total else 0.0

    def text(self) -> str:
        """In a sentence or two."""
        spent = f"{count(self.trials, 'trial')}, {duration(self.seconds)} of work"
        used = f"{hours(self.core_hours)} core-hours"
        if self.gpu_hours:
            used += f", {hours(self.gpu_hours)} GPU-hours"
        if self.evaluation_seconds:
            share = self.evaluation_seconds / self.seconds
            used += f", {duration(self.evaluation_seconds)} ({share:.0%}) of it for evaluations"
        saved = f" Early termination saved {duration(self.saved_seconds)} ({self.saved_share:.0%})."
        return f"{spent}: {used}." + (saved if self.saved_seconds else "")


def compute_of(study: Study, frame: pd.DataFrame) -> Compute:
    """The compute behind a frame with a row per seed run (`record.frames.read_frame`)."""
    if frame.empty:
        return Compute(
            trials=0,
            seconds=0.0,
            evaluation_seconds=0.0,
            saved_seconds=0.0,
            core_hours=0.0,
            gpu_hours=0.0,
        )
    seconds, evaluating = (_column(frame, name) for name in (SECONDS, EVALUATION_SECONDS))
    stopped = (frame["status"] == Status.STOPPED) & (frame["iteration"] > 0)
    left = frame[f"{PARAM}iterations"] - frame["iteration"]
    saved = (left * seconds / frame["iteration"])[stopped]
    total = float(seconds.sum())
    return Compute(
        trials=len(frame),
        seconds=total,
        evaluation_seconds=float(evaluating.sum()),
        saved_seconds=float(saved.sum()),
        core_hours=total * study.resources.cpus / 3600,
        gpu_hours=total * study.resources.gpus / 3600,
    )


def _column(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """A recorded number of every run; zero where it was not recorded."""
    return frame.get(f"{METRIC}{name}", pd.Series(0.0, frame.index)).fillna(0.0)
