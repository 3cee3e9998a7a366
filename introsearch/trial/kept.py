"""A trial that is kept in files: its checkpoint after each evaluation, and its figures."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from introsearch.files import checkpoint_path, figure_path, write_atomically
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.order import TrialOrder
from introsearch.trial.run import TrialRun, prepare_process


class KeptTrial:
    """Trains a trial, an evaluation interval per step, and checkpoints it after each.

    The checkpoint is one file per trial, replaced atomically before its evaluation is reported,
    and it holds all evaluations so far. A restarted trial first reports those again, so that
    whoever listens needs no memory of its own.

    Args:
        order: what to train; this process becomes a place for it.
    """

    def __init__(self, order: TrialOrder) -> None:
        self.order = order
        prepare_process(order)
        self.run = TrialRun(order, keep_figure=self._keep_figure)
        if self._path.exists():
            state = torch.load(self._path, map_location="cpu", weights_only=True)
            self.run.load_state_dict(state)
        self._unreported = deque(self.run.evaluations)

    def step(self) -> Evaluation:
        """The next evaluation: one that was made before it was restarted, or a new one."""
        if not self._unreported:
            evaluation = self.run.step()
            self._save()
            return evaluation
        return self._unreported.popleft()

    @property
    def _path(self) -> Path:
        return checkpoint_path(self.order.folder, self.order.name)

    def _keep_figure(self, name: str, iteration: int, png: bytes) -> None:
        path = figure_path(self.order.folder, self.order.name, name, iteration=iteration)
        write_atomically(path, png)

    def _save(self) -> None:
        buffer = io.BytesIO()
        torch.save(self.run.state_dict(), buffer)
        write_atomically(self._path, buffer.getvalue())


@contextmanager
def threads_restored() -> Iterator[None]:
    """Afterwards torch has as many threads as before, whatever trials have set."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gpu_is_usable() -> bool:
    """Whether this build of torch can use a GPU of this machine; Ray counts them all the same."""
    return torch.cuda.is_available()
