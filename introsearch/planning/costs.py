"""What a study would take: hours, wall-clock and disk, from what one trial of each kind takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from introsearch.planning.gpu_memory import GpuMemory
from introsearch.planning.shares import Stretch, select_shares, stretches
from introsearch.planning.summary import StageCosts, StudyCosts
from introsearch.settings.base import settings_from_dict
from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import Expansion
from introsearch.study.sections import Resources
from introsearch.study.stopping.schedule import interval_of

_SCHEDULE = ("iterations", "warmup_iterations", "handover_iterations", "lr_milestones")
_KINDS_PER_GROUP = 4  # that are measured; more take the mean of these
_ROW_BYTES = 190  # of a metric point in MLflow's SQLite, with its index
_RUN_BYTES = 25_000  # of a run there: parameters, tags, last values, and their indices


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialCosts:
    """What one trial takes, alone on its device.

    Attributes:
        warmup_iteration: seconds of an iteration before the warm-up's end.
        iteration: seconds of one after it.
        evaluation: seconds of an evaluation, and of the checkpoint after it.
        figure: seconds of drawing figures.
        final: seconds of the costly metrics that a report trial has at its end.
        checkpoint_bytes: size of its checkpoint.
        figure_bytes: size of the figures of one iteration.
        values: metrics and losses of one evaluation.
        gpu_memory: what it takes of its GPU, if it has one.
    """

    warmup_iteration: float
    iteration: float
    evaluation: float
    figure: float
    final: float
    checkpoint_bytes: int
    figure_bytes: int
    values: int
    gpu_memory: GpuMemory | None = None


def kind_of(configuration: Configuration) -> str:
    """Configurations of one kind take the same time: they differ in weights and rates alone."""
    settings = {
        name: value
        for name, value in configuration.settings.items()
        if name not in _SCHEDULE and not isinstance(value, float)
    }
    return json.dumps([configuration.trainer, settings], sort_keys=True)


def to_measure(expansion: Expansion) -> dict[str, Configuration]:
    """A configuration of each kind, at most `_KINDS_PER_GROUP` of a group."""
    chosen: dict[str, Configuration] = {}
    for members in expansion.members.values():
        kinds = {kind_of(c): c for c in reversed(members)}
        for kind in [*kinds][-_KINDS_PER_GROUP:]:
            chosen.setdefault(kind, kinds[kind])
    return chosen


def study_costs(
    study: Study,
    expansion: Expansion,
    measured: Mapping[str, TrialCosts],
    *,
    resources: Resources,
    cpus: float,
    gpus: float,
) -> StudyCosts:
    """What a study takes on a machine or cluster whose devices are as fast as the measured one.

    Which configurations will be reported is not known: each of a group is as likely.

    Args:
        study: the study.
        expansion: its expansion.
        measured: of the kinds `to_measure`.
        resources: of a trial.
        cpus: cores altogether.
        gpus: GPUs altogether.
    """
    costs = _of_all(expansion, measured)
    shares = select_shares(study, expansion)
    every = {
        c.id: _Use(study, c, costs[c.id], settings_from_dict(c.trainer, c.settings).warmup_end)
        for c in expansion.configurations
    }
    select = [every[c.id].stage(shares[c.id]) for c in expansion.configurations]
    report = [
        _sum([every[c.id].stage([1.0], report=True) for c in members], times=1 / len(members))
        for members in expansion.members.values()
    ]
    fresh = {*study.seeds.report} - {*study.seeds.select}
    return StudyCosts(
        select=_sum(select, times=len(study.seeds.select)),
        report=_sum(report, times=len(fresh)),
        resources=resources,
        parallel_trials=parallel_trials(study, resources, cpus=cpus, gpus=gpus),
        gpu_memory=max((c.gpu_memory for c in measured.values() if c.gpu_memory), default=None),
    )


def parallel_trials(study: Study, resources: Resources, *, cpus: float, gpus: float) -> int:
    """How many trials can train at a time.

    Args:
        study: the study; its budget may set a limit.
        resources: of a trial.
        cpus: cores altogether.
        gpus: GPUs altogether.
    """
    room = cpus / resources.cpus
    if resources.gpus:
        per_gpu = math.floor(1 / resources.gpus + 1e-9)
        at_once = gpus * per_gpu if per_gpu else gpus // math.ceil(resources.gpus)
        room = min(room, at_once)
    limit = study.budget.max_concurrent_trials or math.inf
    return max(1, math.floor(min(room, limit) + 1e-9))


@dataclass(frozen=True)
class _Use:
    """What the trials of one configuration take."""

    study: Study
    configuration: Configuration
    costs: TrialCosts
    warmup_end: int

    def stage(self, shares: Sequence[float], *, report: bool = False) -> StageCosts:
        parts = list(stretches(self.study, self.configuration, shares))
        last = self.costs.final if report else 0.0
        whole = sum(map(self._seconds, parts)) + last
        values = self.costs.values * sum(map(self._evaluations, parts))
        return StageCosts(
            seconds=whole,
            expected_seconds=sum(p.share * self._seconds(p) for p in parts)
            + parts[-1].share * last,
            longest_seconds=whole,
            disk_bytes=self.costs.checkpoint_bytes
            + 2 * self.costs.figure_bytes * len(parts)  # the study's own and MLflow's
            + _ROW_BYTES * values
            + _RUN_BYTES * (1 if report else 1 + 1 / max(1, len(self.study.seeds.select))),
        )

    def _seconds(self, part: Stretch) -> float:
        """To train through a stretch, its evaluations, and the figures at its end."""
        early = max(0, min(part.end, self.warmup_end) - part.start)
        late = part.end - part.start - early
        return (
            early * self.costs.warmup_iteration
            + late * self.costs.iteration
            + self._evaluations(part) * self.costs.evaluation
            + self.costs.figure
        )

    def _evaluations(self, part: Stretch) -> int:
        every = interval_of(self.study, self.configuration)
        return math.ceil(part.end / every) - math.ceil(part.start / every)


def _of_all(expansion: Expansion, measured: Mapping[str, TrialCosts]) -> dict[str, TrialCosts]:
    """By configuration id; a kind that was not measured takes the mean of its group."""
    found: dict[str, TrialCosts] = {}
    for members in expansion.members.values():
        kinds = {c.id: kind_of(c) for c in members}
        known = [measured[kind] for kind in sorted({*kinds.values()}) if kind in measured]
        mean = _mean_costs(known)
        found |= {i: measured.get(kind, mean) for i, kind in kinds.items()}
    return found


def _mean_costs(several: Sequence[TrialCosts]) -> TrialCosts:
    rows = [asdict(replace(costs, gpu_memory=None)) for costs in several]
    names = [name for name in rows[0] if name != "gpu_memory"]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in names}
    whole = ("checkpoint_bytes", "figure_bytes", "values")
    return TrialCosts(**means | {name: round(means[name]) for name in whole})


def _sum(several: Sequence[StageCosts], *, times: float) -> StageCosts:
    return StageCosts(
        seconds=times * sum(s.seconds for s in several),
        expected_seconds=times * sum(s.expected_seconds for s in several),
        longest_seconds=max(s.longest_seconds for s in several) if times else 0.0,
        disk_bytes=times * sum(s.disk_bytes for s in several),
    )
