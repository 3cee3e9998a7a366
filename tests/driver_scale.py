"""What the driver itself takes: a study of thousands of trials that hardly train.

    python -m tests.driver_scale --trials 5000 [--profile FILE]

Prints the time per trial, the time spent in MLflow, and the driver's memory.
"""

from __future__ import annotations

import argparse
import cProfile
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from introsearch.cluster.file import LOCAL
from introsearch.execution.inline import InlineBackend
from introsearch.execution.progress import Progress
from introsearch.execution.ray.environment import prepare_environment
from introsearch.settings.base import TrainerSettings
from introsearch.training.base import Trainer

REAL_TRIAL_S = 60.0
WRITES = ("create_run", "log_batch", "set_terminated", "update_run", "log_artifact", "get_run")
STUDY = """\
name: driver-scale
trainer: tests.driver_scale:Trivial
metric: {{name: hist_kl, goal: minimize}}
groups: [variant]
seeds: {{select: [0], report: [1, 2]}}
parameters:
  quality: {{values: {qualities}}}
  iterations: 10
variants: {{a: {{offset: 0}}, b: {{offset: 1}}}}
early_terminate: {{type: asha, min_iter: 3, max_iter: 10, eta: 3}}
evaluate_every: 1
"""


@dataclass(frozen=True, kw_only=True)
class Settings(TrainerSettings):
    quality: int = 0
    offset: int = 0


class Trivial(Trainer):
    """Its metrics are known at once."""

    Settings: ClassVar[type[TrainerSettings]] = Settings

    def __init__(
        self, settings: Settings, *, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.settings = settings
        self.iteration = 0

    def advance(self, iterations: int) -> dict[str, float]:
        self.iteration += iterations
        return {"loss": 1 / self.iteration}

    def evaluate(self, names: Sequence[str], *, averaged: bool = False) -> dict[str, float]:
        value = 1 + (self.settings.quality * 7919 % 104729) / self.iteration
        return dict.fromkeys(names, value)

    def state_dict(self) -> dict[str, Any]:
        return {"iteration": self.iteration}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.iteration = state["iteration"]


class Stopwatch:
    """Adds up the seconds that an object's methods take."""

    def __init__(self, target: Any, names: Sequence[str]) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        for name in names:
            setattr(target, name, self._timed(name, getattr(target, name)))

    def _timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - start
                self.calls[name] += 1

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the driver takes per trial.")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--profile", type=Path, help="where to write cProfile's statistics")
    options = parser.parse_args()
    prepare_environment(LOCAL)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), trials=options.trials, profile=options.profile)


def measure(folder: Path, *, trials: int, profile: Path | None) -> None:
    from introsearch.execution.study_runner import StudyRunner
    from introsearch.record.store import open_store
    from introsearch.study.file.loader import load_study

    file = folder / "study.yaml"
    file.write_text(STUDY.format(qualities=list(range(trials // 2))))
    study = load_study(file)
    client = open_store(f"sqlite:///{folder / 'mlflow.db'}")
    writes = Stopwatch(client, WRITES)
    progress = Progress()
    runner = StudyRunner(
        study,
        client=client,
        folder=folder / study.name,
        progress=progress,
        backend=InlineBackend(),
    )
    profiler = cProfile.Profile()
    wall, cpu = time.perf_counter(), time.process_time()
    if profile:
        profiler.enable()
    with progress:
        result = runner.run()
    profiler.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if profile:
        profiler.dump_stats(profile)
    report(len(result.frame), wall=wall, cpu=cpu, writes=writes)


def report(trials: int, *, wall: float, cpu: float, writes: Stopwatch) -> None:
    written = sum(writes.seconds.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{trials} trials in {wall:.0f} s: {1000 * wall / trials:.0f} ms each")
    print(f"driver: {1000 * cpu / trials:.0f} ms of CPU per trial, {memory:.0f} MiB at most")
    share = 100 * wall / trials / REAL_TRIAL_S
    print(f"that is {share:.2f} % of a trial of {REAL_TRIAL_S:.0f} s, one at a time")
    print(f"MLflow: {written:.0f} s, {1000 * written / trials:.0f} ms per trial")
    for name, seconds in sorted(writes.seconds.items(), key=lambda item: -item[1]):
        calls = writes.calls[name]
        print(f"  {name}: {calls} calls, {1000 * seconds / calls:.1f} ms each, {seconds:.1f} s")


if __name__ == "__main__":
    main()
