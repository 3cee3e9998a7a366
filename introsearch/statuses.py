"""What can become of a trial and of a study: the only words for it, recorded and on screen."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a trial stands. A study has `RUNNING`, `FINISHED`, `FAILED` or `INTERRUPTED`."""

    PENDING = "pending"
    """It has not started yet; it may not even be known which configuration it will have."""

    RUNNING = "running"
    """A worker trains it, as far as the record says: a killed driver leaves the word behind."""

    FINISHED = "finished"
    """It was trained to its end, and all its numbers are finite."""

    STOPPED = "stopped"
    """Early termination ended it: others of its group were better at the same iteration."""

    DIVERGED = "diverged"
    """A loss or a metric was NaN or infinite. It is not tried again: it would diverge again."""

    FAILED = "failed"
    """It crashed, and so did its restarts. The next `run` of the study tries it again."""

    INTERRUPTED = "interrupted"
    """The run ended while it was training. The next `run` of the study continues it."""


ENDED: Final = frozenset({Status.FINISHED, Status.STOPPED, Status.DIVERGED, Status.FAILED})
# A crash is worth another attempt when the study runs again.
SETTLED: Final = ENDED - {Status.FAILED}
OPEN: Final = frozenset({Status.PENDING, Status.RUNNING, Status.INTERRUPTED})
