"""Measures what a trial takes on this machine, by training a short one in this process."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable
from dataclasses import replace

import torch

from introsearch.extensions import metrics_for
from introsearch.planning.costs import TrialCosts, to_measure
from introsearch.planning.gpu_memory import GpuMemory
from introsearch.registry import is_costly
from introsearch.settings.base import settings_from_dict, settings_to_dict
from introsearch.study.model import Configuration, Study, Trial
from introsearch.study.search.expand import Expansion
from introsearch.study.sections import Resources
from introsearch.training.stopwatch import Stopwatch
from introsearch.trial.evaluation import TIMES
from introsearch.trial.order import TrialOrder, order_of
from introsearch.trial.run import TrialRun, prepare_process
from introsearch.trial.usage import GPU, PEAK_GPU

_CHUNK = 4  # iterations timed together
_CHUNKS = 5  # of each phase; the first is not counted
_PHASE = _CHUNK * _CHUNKS
REPEATS = 2  # of evaluations, the faster of which counts: the first prepares something


def local_resources(resources: Resources) -> tuple[Resources, int]:
    """What a trial gets on this machine, and how many GPUs torch can use here."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return (resources if gpus else resources.changed(gpus=0.0)), gpus


def measure_kinds(
    study: Study, expansion: Expansion, resources: Resources, *, notify: Callable[[str], None]
) -> dict[str, TrialCosts]:
    """What the trials of each kind (`costs.to_measure`) take on this machine.

    Args:
        study: the study.
        expansion: its expansion.
        resources: of a trial, as this machine has them.
        notify: told what is being timed.

    Raises:
        TrialDiverged: one does so at once.
    """
    measured = {}
    kinds = to_measure(expansion)
    for number, (kind, configuration) in enumerate(kinds.items(), 1):
        notify(f"timing {number} of {len(kinds)}: {' + '.join(configuration.groups)}")
        measured[kind] = _measure_trial(study, configuration, resources)
    return measured


def _measure_trial(study: Study, configuration: Configuration, resources: Resources) -> TrialCosts:
    """Some forty iterations of one configuration, evaluated and drawn as in the study.

    Args:
        study: the study.
        configuration: one of its configurations.
        resources: of a trial, as this machine has them.

    Raises:
        TrialDiverged: it does so at once.
    """
    trial = _short_trial(study, configuration, resources)
    applicable = metrics_for(configuration.trainer, configuration.settings)
    costly = [name for name in (*applicable, *trial.added_metrics) if is_costly(name)]
    sizes: list[int] = []
    prepare_process(trial)
    run = TrialRun(trial, keep_figure=lambda name, iteration, png: sizes.append(len(png)))
    watch = Stopwatch(run.device)
    first = _iteration_seconds(run, watch)
    second = _iteration_seconds(run, watch)  # the same again, if there is no warm-up
    evaluation = watch.least_seconds(lambda: _step(run), calls=REPEATS) - second
    drawn = watch.least_seconds(lambda: _step(run), calls=REPEATS) - second
    final = watch.seconds(lambda: run.trainer.evaluate(costly))
    return TrialCosts(
        warmup_iteration=first,
        iteration=second,
        evaluation=max(0.0, evaluation),
        figure=max(0.0, drawn - evaluation),
        final=final,
        checkpoint_bytes=_checkpoint_bytes(run),
        figure_bytes=sum(sizes) // REPEATS,
        values=len(run.evaluations[0].metrics) + len(TIMES) + len(run.evaluations[0].system),
        gpu_memory=_gpu_memory(run),
    )


def _gpu_memory(run: TrialRun) -> GpuMemory | None:
    usage = run.usage.read(before={})
    return GpuMemory(int(usage[PEAK_GPU]), int(usage[GPU])) if PEAK_GPU in usage else None


def _short_trial(study: Study, configuration: Configuration, resources: Resources) -> TrialOrder:
    end = 2 * _PHASE + 2 * REPEATS
    settings = settings_from_dict(configuration.trainer, configuration.settings).shortened(end)
    short = replace(configuration, settings=settings_to_dict(settings))
    trial = Trial(configuration=short, seed=study.seeds.report[0], stage="select")
    order = order_of(study, trial, resources=resources, folder="")
    return replace(order, costly_metrics=False, figures_at=tuple(range(end - REPEATS + 1, end)))


def _iteration_seconds(run: TrialRun, watch: Stopwatch) -> float:
    """The median over chunks of a phase."""
    chunks = [watch.seconds(lambda: run.trainer.advance(_CHUNK)) for _ in range(_CHUNKS)]
    return statistics.median(chunks[1:]) / _CHUNK


def _step(run: TrialRun) -> None:
    """One iteration, an evaluation, and the checkpoint."""
    run.step(run.trainer.iteration + 1)
    _checkpoint_bytes(run)


def _checkpoint_bytes(run: TrialRun) -> int:
    buffer = io.BytesIO()
    torch.save(run.state_dict(), buffer)
    return buffer.tell()
