"""Times one configuration in this process."""

from __future__ import annotations

import math
import traceback
from dataclasses import replace
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from introsearch.bench.measurement import Measurement
from introsearch.bench.reference import reference_step
from introsearch.errors import ConfigError, IntrosearchError
from introsearch.extensions import metrics_for
from introsearch.figures.models.draw import draw_figure
from introsearch.registry import is_costly
from introsearch.settings.base import settings_from_dict, settings_to_dict
from introsearch.training.base import Trainer
from introsearch.training.stopwatch import Stopwatch
from introsearch.trial.order import TrialOrder
from introsearch.trial.run import TrialRun, prepare_process
from introsearch.trial.usage import peak_resident_bytes

_WARM_UP = 20  # iterations; those of a longer warm-up are not what a trial's time goes to
_ROUNDS = 10  # the fastest counts, which other users of the machine disturb least
PATIENCE = 5.0  # seconds, after which what takes long is not repeated any more
PRODUCT_SIZES = {"cpu": (256, 512, 1024, 2048), "cuda": (4096, 8192)}


def measure_or_reason(order: TrialOrder) -> Measurement | str:
    """What `measure` returns, or why it cannot."""
    try:
        return measure(order)
    except IntrosearchError as error:
        return str(error)
    except Exception as error:  # too little memory for one variant, say, or a user's own class
        return traceback.format_exception_only(error)[-1].strip().splitlines()[0]


def measure(order: TrialOrder) -> Measurement:
    """Train past the warm-up, and time what follows.

    Memory is the process's own: call it in a fresh one, as `bench.run` does.

    Raises:
        ConfigError: the trainer cannot be made, or takes no steps.
        TrialDiverged: it does so at once.
    """
    settings = settings_from_dict(order.trainer, order.settings)
    short = settings_to_dict(settings.shortened(2 * _WARM_UP))
    prepare_process(order)
    trainer: Trainer = TrialRun(replace(order, settings=short)).trainer
    if getattr(trainer, "optimisers", None) == {}:
        raise ConfigError(
            f"{order.trainer} is fitted all at once: it has no iterations to time", key="trainer"
        )
    watch = Stopwatch(getattr(trainer, "device", "cpu"))
    trainer.advance(_WARM_UP + 2)
    with FlopCounterMode(display=False) as counter:
        trainer.advance(1)
    names = [*metrics_for(order.trainer, settings_to_dict(settings)), *order.added_metrics]
    often = [n for n in names if not is_costly(n)]
    costly = [n for n in names if is_costly(n)]
    least = partial(watch.least_seconds, calls=_ROUNDS, patience_s=PATIENCE)
    evaluation = least(lambda: (trainer.evaluate(often), trainer.details()))
    final = least(lambda: trainer.evaluate(costly))
    drawing = least(lambda: _draw(trainer))
    peak = _peak_bytes(watch.device)
    iteration, split, plain, rate = _compare(trainer, watch)
    training = settings.iterations * iteration
    times = math.ceil(settings.iterations / order.evaluate_every)
    evaluating = times * evaluation + final + drawing
    return Measurement(
        iteration=iteration,
        split=split,
        plain=plain,
        flops=counter.get_total_flops(),
        product_rate=rate,
        evaluation=evaluation,
        final=final,
        drawing=drawing,
        evaluation_share=evaluating / (training + evaluating),
        peak_bytes=peak,
    )


def _draw(trainer: Trainer) -> None:
    for name, figure in trainer.figures().items():
        draw_figure(figure, title=name)


def _compare(
    trainer: Trainer, watch: Stopwatch
) -> tuple[float, dict[str, float], float | None, float]:
    """Seconds of an iteration, how they divide, those of its plain form, and the rate of products.

    In turn, so that a busy spell of the machine does not meet one of them alone.
    """
    step = reference_step(trainer)
    iteration, plain, rate = float("inf"), float("inf"), 0.0
    splits = []
    for _ in range(_ROUNDS):
        rate = max(rate, _product_rate(watch))
        splits.append(watch.split(lambda: trainer.advance(1)))
        iteration = min(iteration, watch.seconds(lambda: trainer.advance(1)))
        if step is not None:
            plain = min(plain, watch.seconds(partial(step, trainer)))
    fastest, split = min(splits, key=lambda pair: pair[0])
    return min(iteration, fastest), split, None if step is None else plain, rate


def _product_rate(watch: Stopwatch) -> float:
    """The best rate of float32 products over some sizes, in FLOP/s."""
    best = 0.0
    for n in PRODUCT_SIZES.get(watch.device.type, PRODUCT_SIZES["cpu"]):
        a = torch.randn(n, n, device=watch.device)
        best = max(best, 2 * n**3 / watch.least_seconds(partial(torch.mm, a, a), calls=4))
    return best


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident_bytes()
