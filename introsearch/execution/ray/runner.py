"""Runs a conductor's pending trials on Ray Tune."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from introsearch.cluster.file import LocalCluster, RayCluster
from introsearch.errors import ClusterError
from introsearch.execution.conductor import Conductor
from introsearch.execution.crashes import kernel_kills
from introsearch.execution.progress import Progress
from introsearch.execution.ray.machines import MachineWatch
from introsearch.execution.ray.start import abandon_ray, dead_process, start_ray
from introsearch.execution.signals import signals_not_lost
from introsearch.study.model import Trial
from introsearch.study.sections import Resources
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.order import order_of
from introsearch.trial.trainable import TrialTrainable


class RayBackend:
    """A Ray, on this machine or elsewhere.

    Args:
        cluster: which Ray.
    """

    def __init__(self, cluster: LocalCluster | RayCluster) -> None:
        self._cluster = cluster

    def start(
        self, resources: Resources, *, notify: Callable[[str], None], folder: Path
    ) -> Resources:
        """As for any `Backend`."""
        messages = folder / "ray.txt"
        return start_ray(self._cluster, resources, notify=notify, messages=messages)

    def run(
        self,
        conductor: Conductor,
        *,
        resources: Resources,
        progress: Progress,
        folder: Path,
        deadline: float,
    ) -> None:
        """As for any `Backend`."""
        scheduler = _Scheduler(conductor, progress)
        for attempt in range(conductor.study.budget.max_restarts, -1, -1):
            scheduler.start(may_fail=attempt == 0)
            _fit(scheduler, resources=resources, folder=folder, deadline=deadline)
            interrupted = bool(scheduler.running or conductor.abort_reason)
            if interrupted or not scheduler.lost:
                break


def _fit(scheduler: _Scheduler, *, resources: Resources, folder: Path, deadline: float) -> None:
    """Let Ray Tune run what is pending."""
    conductor, study = scheduler.conductor, scheduler.conductor.study
    if conductor.done:
        return
    scratch = folder / "ray_tune"
    shutil.rmtree(scratch, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(TrialTrainable, {"cpu": resources.cpus, "gpu": resources.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=_Source(scheduler, resources=resources, folder=folder),
            num_samples=-1,  # as many as there are
            scheduler=scheduler,
            reuse_actors=True,
            max_concurrent_trials=study.budget.max_concurrent_trials,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="scratch",
            storage_path=str(scratch.resolve()),
            callbacks=[_StartListener(scheduler)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0),
            failure_config=tune.FailureConfig(max_failures=study.budget.max_restarts),
            stop=_Abort(scheduler, deadline),
            verbose=0,
        ),
    )
    try:
        with signals_not_lost():
            tuner.fit()
    except (_RayDied, Exception) as error:
        if process := dead_process():
            abandon_ray()
            raise ClusterError(
                f"Ray's {process} died",
                hint="was it killed, perhaps for want of memory? The same command continues",
            ) from None
        if isinstance(error, TuneError) and scheduler.error is not None:
            raise scheduler.error from None
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _trial_name(trial: TuneTrial) -> str:
    return str(trial.config["order"]["name"])


def _traceback(trial: TuneTrial) -> str:
    """Of every attempt. In Ray 2.60, `trial.get_error()` reads a copy that is not made yet."""
    path = Path(trial.error_file or "")
    return path.read_text(errors="replace") if path.is_file() else ""


class _RayDied(BaseException):
    """No `Exception`: at one, Ray Tune 2.60 would first tell all trials to stop, and hang."""


def _check_ray() -> None:
    if dead_process():
        raise _RayDied


class _NotPickled:
    """Ray Tune pickles what it is given, to restore it later. We restore from the record alone."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Scheduler(_NotPickled, FIFOScheduler):
    """Passes on what Ray Tune says.

    Attributes:
        running: trials that have not ended.
        lost: trials whose worker died while it was being prepared for them. Ray Tune does not
            restart these, whatever `max_failures` is.
        error: what went wrong here, if anything; Ray Tune raises only its text.
        num_killed: processes that the kernel had killed for their memory at the last crash.
    """

    def __init__(self, conductor: Conductor, progress: Progress) -> None:
        super().__init__()
        self.conductor = conductor
        self.progress = progress
        self.error: Exception | None = None
        self.num_killed = kernel_kills()

    def start(self, *, may_fail: bool) -> None:
        """Before each fit; a lost trial has failed if there will be none after it."""
        self.conductor.offer()
        self.running = {trial.name for trial in self.conductor.pending()}
        self.lost: set[str] = set()
        self.may_fail = may_fail

    def next_trial(self) -> Trial | None:
        """The next trial to start, if there is one by now."""
        with self._keeping_error():
            trial = self.conductor.next_trial()
        if trial is not None:
            self.running.add(trial.name)
        return trial

    def on_trial_result(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> str:
        return TrialScheduler.STOP if self._tell(trial, result) else TrialScheduler.CONTINUE

    def on_trial_complete(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> None:
        self.running.discard(_trial_name(trial))
        self._tell(trial, result)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        self.running.discard(_trial_name(trial))
        _check_ray()
        # Ray 2.60 counts a failure before it tells of it (ray-project/ray#41285), and gives up
        # either after the last one allowed, or at once where the trial was not running yet.
        restarted = trial.num_failures > trial.max_failures
        if not restarted and not self.may_fail:
            self.lost.add(_trial_name(trial))
            return
        before, self.num_killed = self.num_killed, kernel_kills()
        with self._keeping_error():
            self.conductor.on_crash(
                _trial_name(trial), _traceback(trial), killed_by_kernel=self.num_killed > before
            )
            self.progress.update(self.conductor)

    def on_trial_start(self, trial: TuneTrial) -> None:
        """Not Ray Tune's own hook: schedulers are not told, callbacks are."""
        with self._keeping_error():
            self.conductor.on_start(_trial_name(trial))
            self.progress.update(self.conductor)

    def _tell(self, trial: TuneTrial, result: dict[str, Any]) -> bool:
        if "evaluation" not in result:
            return False
        evaluation = Evaluation.from_json(result["evaluation"])
        with self._keeping_error():
            stop = self.conductor.on_evaluation(_trial_name(trial), evaluation)
            self.progress.update(self.conductor)
        return stop

    @contextmanager
    def _keeping_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = error
            raise


class _Source(_NotPickled, Searcher):
    """Gives Ray Tune one trial after the other, as the conductor says."""

    def __init__(self, scheduler: _Scheduler, *, resources: Resources, folder: Path) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.resources = resources
        self.folder = str(folder.resolve())

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        trial = self.scheduler.next_trial()
        if trial is None:  # what is lost now may hold up what is to come, until the next fit
            return None if self.scheduler.running else Searcher.FINISHED
        study = self.scheduler.conductor.study
        order = order_of(study, trial, resources=self.resources, folder=self.folder)
        return {"order": order.to_dict()}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the scheduler is told too."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the record knows."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the record knows."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the record knows."""


class _StartListener(_NotPickled, tune.Callback):
    def __init__(self, scheduler: _Scheduler) -> None:
        self.scheduler = scheduler

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self.scheduler.on_trial_start(trial)


class _Abort(_NotPickled, tune.Stopper):
    """Ends the stage when the conductor gives up or the time is over."""

    def __init__(self, scheduler: _Scheduler, deadline: float) -> None:
        self.conductor = scheduler.conductor
        self.deadline = deadline
        self.machines = MachineWatch(scheduler.progress.say)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        _check_ray()
        self.machines.look()
        if time.monotonic() > self.deadline:
            self.conductor.end_time()
        return bool(self.conductor.abort_reason)
