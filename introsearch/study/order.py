"""What a worker is told of a trial."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from introsearch.registry import METRICS
from introsearch.study.model import Resources, Study, Trial

MANNER = ("costly_metrics", "evaluate_every", "figures_at", "cpus", "gpus")


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """All that a worker needs to know of a trial; plain values, so that it travels as JSON.

    Attributes:
        name: the trial's name; also of its files.
        title: of its figures.
        trainer: a name in the trainer registry.
        settings: the trainer's settings.
        seed: the trial's seed.
        costly_metrics: compute the costly metrics too, at the end.
        evaluate_every: iterations between evaluations.
        figures_at: iterations at which figures are drawn; the last one always is among them.
        folder: where checkpoints and figures are kept, shared by all nodes.
        cpus: threads to use.
        gpus: share of a GPU; 0 trains on the CPU.
    """

    name: str
    title: str
    trainer: str
    settings: dict[str, Any]
    seed: int
    costly_metrics: bool
    evaluate_every: int
    figures_at: tuple[int, ...]
    folder: str
    cpus: float
    gpus: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def manner(self) -> dict[str, Any]:
        """How the trial was run, which is no part of its identity."""
        return {name: getattr(self, name) for name in MANNER}


def order_of(study: Study, trial: Trial, *, resources: Resources, folder: str) -> TrialOrder:
    """The order for a trial of a study.

    Args:
        study: the study.
        trial: one of its trials.
        resources: what the trial really gets.
        folder: of the study's files, absolute.
    """
    rungs = study.early_terminate.rungs if study.early_terminate else ()
    return TrialOrder(
        name=trial.name,
        title=f"{' + '.join(trial.configuration.groups)}, seed {trial.seed}",
        trainer=trial.configuration.trainer,
        settings=trial.configuration.settings,
        seed=trial.seed,
        costly_metrics=trial.seed in study.seeds.report or METRICS[study.metric.name].costly,
        evaluate_every=study.evaluate_every,
        figures_at=rungs if trial.stage == "select" else (),
        folder=folder,
        cpus=resources.cpus,
        gpus=resources.gpus,
    )
