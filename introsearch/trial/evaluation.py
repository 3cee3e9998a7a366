"""What a trial reports at each evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from introsearch.statuses import Status

# Wall time spent on a trial, and on evaluating it alone; recorded like metrics at each evaluation.
SECONDS: Final = "seconds"
EVALUATION_SECONDS: Final = "evaluation_seconds"
TIMES: Final = frozenset({SECONDS, EVALUATION_SECONDS})
SYSTEM: Final = "system/"  # starts the names under which `Evaluation.system` is recorded


def is_value(name: str) -> bool:
    """Whether what has this name in the record is a result: no time, and no use of the machine."""
    return name not in TIMES and not name.startswith(SYSTEM)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a trial reports after an interval of training.

    Attributes:
        iteration: training iterations done.
        status: `RUNNING`, or `FINISHED` or `DIVERGED` in a trial's last one.
        metrics: metric values by name, and mean losses of the interval as ``loss/<term>``.
        timestamp_ms: when it was taken; kept across restarts, so that a repeated report is the
            same report.
        seconds: wall time spent on the trial so far.
        evaluation_seconds: the part of it that metrics and figures took.
        system: what the trial takes from its machine (`trial.usage`).
        reason: why it diverged.
        extractor: whose features generated images were compared by, if any were.
    """

    iteration: int
    status: Status
    metrics: dict[str, float] = field(default_factory=dict)
    timestamp_ms: int
    seconds: float
    reason: str = ""
    extractor: str = ""
    evaluation_seconds: float = 0.0
    system: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, which checkpoints hold too."""
        return asdict(self) | {"status": self.status.value}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Evaluation:
        return Evaluation(**{**values, "status": Status(values["status"])})

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @staticmethod
    def from_json(text: str) -> Evaluation:
        return Evaluation.from_dict(json.loads(text))
