"""What a worker is told of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from introsearch.data.folder import data_folder
from introsearch.editions import FIRST
from introsearch.extensions import is_path, misfit
from introsearch.files import runs_folder
from introsearch.registry import is_asked, is_costly
from introsearch.study.model import Configuration, Study, Trial
from introsearch.study.sections import Resources
from introsearch.study.stopping.schedule import interval_of, rungs_of

# The trial's own, and where its files lie.
_IDENTITY = (
    "name", "title", "trainer", "settings", "seed", "folder", "data_folder", "runs_folder",
)  # fmt: skip


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
        averaged_metric: a metric to compute with averaged weights too, for early termination.
        added_metrics: metrics to compute beside those that all such trials have.
        module_folders: where dotted paths are searched too.
        data_folder: where data sets lie; as the environment says, unless given.
        runs_folder: where finished trials are searched; as this process says, unless given.
        edition: what its metrics mean (`editions`); of the first, if a record does not say.
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
    averaged_metric: str = ""
    added_metrics: tuple[str, ...] = ()
    module_folders: tuple[str, ...] = ()
    data_folder: str = ""
    runs_folder: str = ""
    edition: int = FIRST

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def manner(self) -> dict[str, Any]:
        """How the trial is run, which is no part of its identity."""
        return {name: value for name, value in asdict(self).items() if name not in _IDENTITY}


def order_of(study: Study, trial: Trial, *, resources: Resources, folder: str) -> TrialOrder:
    """The order for a trial of a study.

    Args:
        study: the study.
        trial: one of its trials.
        resources: what the trial really gets.
        folder: of the study's files, absolute.
    """
    configuration = trial.configuration
    manner = {
        "costly_metrics": trial.seed in study.seeds.report or is_costly(study.metric.name),
        "evaluate_every": interval_of(study, configuration),
        "figures_at": rungs_of(study, configuration) if trial.stage == "select" else (),
        "cpus": resources.cpus,
        "gpus": resources.gpus,
        "averaged_metric": study.metric.name
        if trial.stage == "select" and study.compared_metric != study.metric.name
        else "",
        "added_metrics": _asked(study, configuration),
        "module_folders": study.module_folders,
        "edition": study.edition,
    }
    return order_in_manner(trial, manner, folder=folder)


def _asked(study: Study, configuration: Configuration) -> tuple[str, ...]:
    """What the study asks for, and applies to a configuration."""
    trainer, settings = configuration.trainer, configuration.settings
    return tuple(
        name
        for name in study.metric_goals
        if is_asked(name) and (is_path(name) or not misfit(name, trainer, settings=settings))
    )


def order_in_manner(trial: Trial, manner: Mapping[str, Any], *, folder: str = "") -> TrialOrder:
    """The order for a trial that is run in a known manner (`TrialOrder.manner`)."""
    return TrialOrder(
        name=trial.name,
        title=f"{' + '.join(trial.configuration.groups)}, seed {trial.seed}",
        trainer=trial.configuration.trainer,
        settings=trial.configuration.settings,
        seed=trial.seed,
        folder=folder,
        data_folder=str(data_folder()),
        runs_folder=str(runs_folder()),
        **manner,
    )
