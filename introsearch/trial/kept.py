"""A trial that is kept in files: its checkpoint after each evaluation, and its figures."""

from __future__ import annotations

import io
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from introsearch.files import checkpoint_path, figure_path, log_path, write_atomically
from introsearch.statuses import Status
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.log import TrialLog
from introsearch.trial.order import TrialOrder
from introsearch.trial.run import TrialRun, prepare_process


class KeptTrial:
    """Trains a trial, an evaluation interval per step, and checkpoints it after each.

    The checkpoint is one file per trial, replaced atomically before its evaluation is reported,
    and it holds all evaluations so far. A restarted trial first reports those again, so that
    whoever listens needs no memory of its own.

    Args:
        order: what to train; this process becomes a place for it.
        echo: what the trial prints is seen too, not only kept in its log.
    """

    def __init__(self, order: TrialOrder, *, echo: bool = False) -> None:
        self.order = order
        self._log = TrialLog(log_path(order.folder, order.name), echo=echo)
        with self._log.listening() as note:
            note(f"{order.name} ({order.title}): process {os.getpid()} of {socket.gethostname()}")
            prepare_process(order)
            self.run = TrialRun(order, keep_figure=self._keep_figure)
            if self._path.exists():
                state = torch.load(self._path, map_location="cpu", weights_only=True)
                self.run.load_state_dict(state)
            note(f"from iteration {self.run.trainer.iteration:,} on the {self.run.device}")
        self._unreported = deque(self.run.evaluations)

    def step(self) -> Evaluation:
        """The next evaluation: one that was made before it was restarted, or a new one."""
        if not self._unreported:
            with self._log.listening() as note:
                evaluation = self.run.step()
                self._save()
                note(_summary(evaluation))
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


def _summary(evaluation: Evaluation) -> str:
    """Without losses, and what is recorded of each latent dimension."""
    values = [f"{n} {v:.4g}" for n, v in evaluation.metrics.items() if "/" not in n]
    end = "" if evaluation.status == Status.RUNNING else evaluation.status.value
    texts = [end, evaluation.reason, *values]
    return f"iteration {evaluation.iteration:,}: {', '.join(filter(None, texts))}"


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
