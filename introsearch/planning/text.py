"""What a study would take, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from introsearch.planning.gpu_memory import gpu_memory_text
from introsearch.planning.summary import StudyCosts
from introsearch.study.sections import Resources
from introsearch.wording import count, duration, hours


def costs_text(costs: StudyCosts, *, gpus: float = 0.0, max_hours: float | None = None) -> str:
    """A few lines for people.

    Args:
        costs: of the study.
        gpus: what the study gives each trial.
        max_hours: after which a `run` of it ends, to be continued by the next.
    """
    return "\n".join(
        [
            *_stage_lines(costs),
            f"wall-clock: about {duration(costs.expected_wall_seconds)}, "
            f"{count(costs.parallel_trials, 'trial')} at a time",
            *_run_lines(costs.expected_wall_seconds / 3600, max_hours),
            *_gpu_lines(costs, gpus=gpus),
            f"disk: at most {_size(costs.disk_bytes)} of checkpoints, figures and records",
            "timed just now on this machine, one trial at a time, on its "
            + ("GPU" if costs.resources.gpus else "CPU"),
        ]
    )


def _stage_lines(costs: StudyCosts) -> Iterator[str]:
    for name, stage in (("select", costs.select), ("report", costs.report)):
        text = f"{name} stage: {_hours(stage.expected_seconds, costs.resources)}"
        if stage.expected_seconds < stage.seconds:
            whole = _hours(stage.seconds, costs.resources)
            text += f" expected, {whole} without early termination"
        if stage.seconds:
            yield text


def _gpu_lines(costs: StudyCosts, *, gpus: float) -> Iterator[str]:
    if costs.gpu_memory is not None and gpus:
        yield gpu_memory_text(costs.gpu_memory, gpus=gpus)


def _run_lines(expected: float, most: float | None) -> Iterator[str]:
    if most is not None and expected > most:
        yield (
            f"budget.max_hours: {most:g} ends a run before that; "
            f"the same command, about {math.ceil(expected / most):,} times, comes to the end"
        )


def _hours(seconds: float, resources: Resources) -> str:
    device, each = ("GPU", resources.gpus) if resources.gpus else ("core", resources.cpus)
    return f"{hours(each * seconds / 3600)} {device}-hours"


def _size(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:,.1f} TB"
