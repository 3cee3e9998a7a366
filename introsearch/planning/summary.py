"""Hours, wall-clock and disk of a whole study."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from introsearch.planning.gpu_memory import GpuMemory
from introsearch.study.sections import Resources


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCosts:
    """One stage of a study.

    Attributes:
        seconds: over all trials, if all train to their end.
        expected_seconds: over all trials, with early termination.
        longest_seconds: the longest trial's.
        disk_bytes: figures, checkpoints that are kept until the stage's end, and MLflow.
    """

    seconds: float
    expected_seconds: float
    longest_seconds: float
    disk_bytes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCosts:
    """A whole study.

    Attributes:
        select: the select stage.
        report: the report stage.
        resources: of a trial.
        parallel_trials: trials at a time.
        gpu_memory: what a trial takes of its GPU, at most, if that is known.
    """

    select: StageCosts
    report: StageCosts
    resources: Resources
    parallel_trials: int
    gpu_memory: GpuMemory | None = None

    @property
    def wall_seconds(self) -> float:
        """If all trials train to their end."""
        return self._wall(self.select.seconds, self.report.seconds)

    @property
    def expected_wall_seconds(self) -> float:
        """With early termination."""
        return self._wall(self.select.expected_seconds, self.report.expected_seconds)

    @property
    def disk_bytes(self) -> float:
        """At the fullest."""
        return self.select.disk_bytes + self.report.disk_bytes

    def _wall(self, *seconds: float) -> float:
        """A stage begins when the one before has ended, and lasts as long as its longest trial."""
        longest = (self.select.longest_seconds, self.report.longest_seconds)
        return sum(
            max(all_trials / self.parallel_trials, trial)
            for all_trials, trial in zip(seconds, longest, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        stages = {"select": self.select, "report": self.report}
        return {
            "stages": {name: self._stage_dict(stage) for name, stage in stages.items()},
            "parallel_trials": self.parallel_trials,
            "wall_seconds": self.wall_seconds,
            "expected_wall_seconds": self.expected_wall_seconds,
            "disk_bytes": self.disk_bytes,
            "gpu_memory": self.gpu_memory and _memory_dict(self.gpu_memory),
        }

    def _stage_dict(self, stage: StageCosts) -> dict[str, float]:
        per_hour = {"core": self.resources.cpus / 3600, "gpu": self.resources.gpus / 3600}
        hours = {f"{device}_hours": each * stage.seconds for device, each in per_hour.items()}
        expected = {
            f"expected_{device}_hours": each * stage.expected_seconds
            for device, each in per_hour.items()
        }
        return asdict(stage) | hours | expected


def _memory_dict(memory: GpuMemory) -> dict[str, float]:
    return {**memory._asdict(), "trials": memory.trials, "gpus": memory.share}
