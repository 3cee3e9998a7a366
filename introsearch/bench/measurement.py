"""What a benchmark found out about one configuration, and the text that shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from introsearch.wording import aligned


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Times are in seconds, on one process's threads or its GPU, and the least of several repeats;
    evaluations of many seconds are not repeated.

    Attributes:
        iteration: of the trainer, after warm-up.
        split: of an iteration, by the trainer's own spans; `rest` is outside them.
        plain: of the plain form of the same iteration, if there is one.
        flops: of the networks' and densities' matrix products in an iteration, counted.
        product_rate: the machine's best rate of float32 matrix products, in FLOP/s.
        evaluation: of the metrics computed every `evaluate_every` iterations.
        final: of the metrics computed once, at the end of a reported trial.
        drawing: of the figures of a model, at the end of a reported trial.
        evaluation_share: of a full-length reported trial's time, what `evaluation`, as often as
            it is due, `final` and `drawing` take together, from 0 to 1.
        peak_bytes: most memory held by the process while training, evaluating and drawing; on a
            GPU, by torch on the device.
    """

    iteration: float
    split: dict[str, float]
    plain: float | None
    flops: int
    product_rate: float
    evaluation: float
    final: float
    drawing: float
    evaluation_share: float
    peak_bytes: int

    @property
    def iterations_per_second(self) -> float:
        """Of the trainer, between evaluations."""
        return 1 / self.iteration

    @property
    def speedup(self) -> float | None:
        """How many times faster than the plain form."""
        return None if self.plain is None else self.plain / self.iteration

    @property
    def product_share(self) -> float:
        """Counted FLOPs per second over the best rate of matrix products, from 0 to 1."""
        return self.flops / self.iteration / self.product_rate

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        derived = ("iterations_per_second", "speedup", "product_share")
        return asdict(self) | {name: getattr(self, name) for name in derived}


def bench_text(measured: dict[str, Measurement | str]) -> str:
    """Two tables, a line per variant: speeds, and where an iteration's time goes.

    Args:
        measured: by variant, what was found, or why nothing was.
    """
    found = {name: m for name, m in measured.items() if isinstance(m, Measurement)}
    columns = ("ms/it", "it/s", "plain ms", "speedup", "GFLOP/it", "GFLOP/s", "of products")
    costs = ("evaluation s", "final s", "figures s", "of a trial", "memory GiB")
    speeds = [["variant", *columns, *costs], *(_speed_row(n, m) for n, m in found.items())]
    names = list(dict.fromkeys(part for m in found.values() for part in m.split))
    split = [["ms of an iteration", *names]]
    for variant, m in found.items():
        parts = (f"{1e3 * m.split[part]:.1f}" if part in m.split else "-" for part in names)
        split.append([variant, *parts])
    tables = [*aligned(speeds), "", *aligned(split)] if found else []
    return "\n".join(tables + [f"{n}: {m}" for n, m in measured.items() if isinstance(m, str)])


def _speed_row(variant: str, m: Measurement) -> list[str]:
    return [
        variant,
        f"{1e3 * m.iteration:.1f}",
        f"{m.iterations_per_second:.1f}",
        "-" if m.plain is None else f"{1e3 * m.plain:.1f}",
        "-" if m.speedup is None else f"{m.speedup:.1f}x",
        f"{m.flops / 1e9:.2f}",
        f"{m.flops / m.iteration / 1e9:.0f}",
        f"{m.product_share:.0%}",
        f"{m.evaluation:.2f}",
        f"{m.final:.1f}",
        f"{m.drawing:.1f}",
        f"{m.evaluation_share:.1%}",
        f"{m.peak_bytes / 2**30:.2f}",
    ]
