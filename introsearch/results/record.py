"""The words of the record: statuses, tags, and what a trial reports at each evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Final

RUNNING: Final = "running"
FINISHED: Final = "finished"  # trained to the end
STOPPED: Final = "stopped"  # by early termination
DIVERGED: Final = "diverged"  # a loss or metric was not finite
FAILED: Final = "failed"  # crashed, and its restarts too
INTERRUPTED: Final = "interrupted"  # not ended; the next run of the study continues it
ENDED: Final = frozenset({FINISHED, STOPPED, DIVERGED, FAILED})
SETTLED: Final = ENDED - {FAILED}  # a crash is worth another attempt when the study runs again

# Tags of MLflow runs. Values are plain words or JSON; nothing is read out of run names.
LEVEL = "introsearch.level"  # study | configuration | seed
CONFIG_ID = "introsearch.config_id"
SEED = "introsearch.seed"
STATUS = "introsearch.status"
REASON = "introsearch.reason"
RUNGS = "introsearch.rungs"  # JSON: what rungs compare -> iteration -> value
DECISION = "introsearch.decision"
TRAINER = "introsearch.trainer"
SETTINGS = "introsearch.settings"  # JSON
MANNER = "introsearch.manner"  # JSON: what the worker was told beside settings and seed
GROUPS = "introsearch.groups"
VARIANTS = "introsearch.variants"
STAGE = "introsearch.stage"
CHOSEN = "introsearch.chosen_in"
SUGGESTED = "introsearch.suggested"  # JSON: how tpe came to a configuration
MODULE_FOLDERS = "introsearch.module_folders"  # JSON: of the study's own extensions
ITERATION = "introsearch.iteration"
EXTRACTOR = "introsearch.extractor"  # whose features fid_gen and its kin compare, to its weights

# Wall time spent on a trial, and on evaluating it alone; recorded like metrics at each evaluation.
SECONDS: Final = "seconds"
EVALUATION_SECONDS: Final = "evaluation_seconds"
TIMES: Final = frozenset({SECONDS, EVALUATION_SECONDS})

EXPANSION = "introsearch.expansion"  # tells whether the study file still leads to the same trials
STUDY_ARTIFACT = "study.json"


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
        reason: why it diverged.
        extractor: whose features generated images were compared by, if any were.
    """

    iteration: int
    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    timestamp_ms: int
    seconds: float
    reason: str = ""
    extractor: str = ""
    evaluation_seconds: float = 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Evaluation:
        return Evaluation(**json.loads(text))
