"""The extension points: from the name a study file uses to where its code lives.

Values are dotted paths, so that names can be checked without importing torch. Adding a data set,
prior, trainer or metric is one new file and one new line here; the conformance tests pick it up.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple


class TrainerEntry(NamedTuple):
    """A trainer and its settings; the settings module must not import torch."""

    settings: str
    trainer: str


class MetricEntry(NamedTuple):
    """A metric function; `costly` ones are computed once, at the end of a report trial."""

    function: str
    costly: bool = False
    goal: str = "minimize"


DATASETS: dict[str, str] = {
    "8gaussians": "introsearch.data.toy:EightGaussians",
    "2spirals": "introsearch.data.toy:TwoSpirals",
    "checkerboard": "introsearch.data.toy:Checkerboard",
    "rings": "introsearch.data.toy:Rings",
}

PRIORS: dict[str, str] = {
    "gaussian": "introsearch.priors.gaussian:StandardGaussian",
    "mog": "introsearch.priors.mixture:MixtureOfGaussians",
    "vamp": "introsearch.priors.vamp:VampPrior",
}

TRAINERS: dict[str, TrainerEntry] = {
    "vae": TrainerEntry(
        "introsearch.training.settings:VAESettings", "introsearch.training.vae:VAE"
    ),
    "sintrovae": TrainerEntry(
        "introsearch.training.settings:SIntroVAESettings",
        "introsearch.training.sintrovae:SIntroVAE",
    ),
}

METRICS: dict[str, MetricEntry] = {
    "hist_kl_paper": MetricEntry("introsearch.metrics.histograms:hist_kl_paper"),
    "hist_jsd_paper": MetricEntry("introsearch.metrics.histograms:hist_jsd_paper"),
    "hist_kl": MetricEntry("introsearch.metrics.histograms:hist_kl"),
    "hist_jsd": MetricEntry("introsearch.metrics.histograms:hist_jsd"),
    "responsibility_entropy": MetricEntry(
        "introsearch.metrics.responsibilities:responsibility_entropy", goal="maximize"
    ),
    "gnelbo_e7": MetricEntry("introsearch.metrics.elbo:gnelbo_e7", costly=True),
}


def load(path: str) -> Any:
    """Import ``package.module:Name`` and return the object.

    Raises:
        ImportError: the module does not exist.
        AttributeError: the module has no such name.
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
