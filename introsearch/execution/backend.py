"""What runs the trials of a stage: this process, or Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from introsearch.execution.conductor import Conductor
from introsearch.execution.progress import Progress
from introsearch.study.sections import Resources


class Backend(Protocol):
    """Runs the trials of one stage after the other."""

    def start(
        self, resources: Resources, *, notify: Callable[[str], None], folder: Path
    ) -> Resources:
        """Make ready, once.

        Args:
            resources: of one trial.
            notify: is told what the user must know.
            folder: of the study's files.

        Returns:
            What a trial really gets.

        Raises:
            ConfigError: a trial wants more than there is.
            ClusterError: there is nothing that could run it.
        """

    def run(
        self,
        conductor: Conductor,
        *,
        resources: Resources,
        progress: Progress,
        folder: Path,
        deadline: float,
    ) -> None:
        """Run all pending trials of a stage, or as many as the user and the time allow.

        Args:
            conductor: knows the trials, is told what they report, and says which to stop.
            resources: of one trial.
            progress: shown to the user.
            folder: of the study's files.
            deadline: `time.monotonic()` after which no more is trained.

        Raises:
            KeyboardInterrupt: the user interrupted.
            RecordError: the record cannot be written any more.
        """
