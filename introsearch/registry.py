"""The extension points: from the name a study file uses to where its code lives.

Values say in words where code is, so that names can be checked without importing torch. Adding a
data set, prior, trainer or metric is one new file and one new entry here; the conformance tests
pick it up. Names stand here as they are written in study files, so that a search finds them.
`introsearch.extensions` looks names up, here and among the user's own.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple


class TrainerEntry(NamedTuple):
    """A trainer and its settings; the settings module must not import torch.

    `judged_as` is what its models are judged as (`MetricEntry`), in words separated by blanks, if
    they are not judged by their data.
    """

    settings: str
    trainer: str
    judged_as: str = ""


class DatasetEntry(NamedTuple):
    """A data set, and what it consists of: ``points``, ``images`` or ``latents``."""

    data: str
    kind: str = "points"


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """A metric, and what it applies to: models that are judged as something that it judges.

    A model is judged as ``any_data``, and as what its data set consists of: ``points``, ``images``,
    ``latents`` or a word of the user's own. If its trainer's entry says so, it is judged as that
    instead: ``modes``, of a model whose posterior collapse is predicted, and ``modes_of_two``, of
    its second latent. `introsearch.extensions.metrics_for` answers which metrics apply.

    Attributes:
        module: where it is, in `introsearch.metrics`: a function that has the metric's name.
        judges: what it judges, in the words above, separated by blanks: one of them is enough.
        goal: empty where no value is better than another: it cannot be bold in a table.
        needs: a setting, and the value that it must have for the metric to mean something.
        costly: it is computed once, at the end of a report trial.
        timing: it is a wall time, never twice the same: it is recorded, but nothing is chosen or
            compared by it, and tables, which come out the same on every run, leave it out.
        features: it compares features of images, and means nothing without their extractor.
        counts_units: it counts a latent's active units; a trial has collapsed if there are none.
        asked: it is computed only for studies whose `metrics` or `metric` name it.
    """

    module: str
    judges: str
    goal: str = "minimize"
    _: KW_ONLY
    needs: tuple[str, str] | None = None
    costly: bool = False
    timing: bool = False
    features: bool = False
    counts_units: bool = False
    asked: bool = False


DATASETS: dict[str, DatasetEntry] = {
    "8gaussians": DatasetEntry("introsearch.data.toy:EightGaussians"),
    "2spirals": DatasetEntry("introsearch.data.toy:TwoSpirals"),
    "checkerboard": DatasetEntry("introsearch.data.toy:Checkerboard"),
    "rings": DatasetEntry("introsearch.data.toy:Rings"),
    "digits": DatasetEntry("introsearch.data.images:Digits", kind="images"),
    "mnist": DatasetEntry("introsearch.data.images:MNIST", kind="images"),
    "fashion_mnist": DatasetEntry("introsearch.data.images:FashionMNIST", kind="images"),
    "cifar10": DatasetEntry("introsearch.data.images:CIFAR10", kind="images"),
    "svhn": DatasetEntry("introsearch.data.images:SVHN", kind="images"),
    "image_folder": DatasetEntry("introsearch.data.images:ImageFolder", kind="images"),
    "latent_4gaussians": DatasetEntry(
        "introsearch.data.latent_targets:FourGaussians", kind="latents"
    ),
    "latent_shifted": DatasetEntry(
        "introsearch.data.latent_targets:ShiftedGaussian", kind="latents"
    ),
}

PRIORS: dict[str, str] = {
    "gaussian": "introsearch.priors.gaussian:StandardGaussian",
    "mog": "introsearch.priors.mixture:MixtureOfGaussians",
    "vamp": "introsearch.priors.vamp:VampPrior",
}

TRAINERS: dict[str, TrainerEntry] = {
    "vae": TrainerEntry("introsearch.settings.vae:VAESettings", "introsearch.training.vae.vae:VAE"),
    "sintrovae": TrainerEntry(
        "introsearch.settings.sintrovae:SIntroVAESettings",
        "introsearch.training.vae.sintrovae:SIntroVAE",
    ),
    "proposition1": TrainerEntry(
        "introsearch.settings.proposition1:Proposition1Settings",
        "introsearch.training.vae.proposition1:Proposition1",
    ),
    "evalp": TrainerEntry(
        "introsearch.settings.latent:EVaLPSettings", "introsearch.training.latent.evalp:EVaLP"
    ),
    "latent_flow": TrainerEntry(
        "introsearch.settings.latent:LatentFlowSettings",
        "introsearch.training.latent.flow:LatentFlow",
    ),
    "ncp": TrainerEntry(
        "introsearch.settings.latent:NCPSettings", "introsearch.training.latent.ncp:NCP"
    ),
    "latent_gmm": TrainerEntry(
        "introsearch.settings.latent:LatentGMMSettings",
        "introsearch.training.latent.gmm:LatentGMM",
    ),
    "collapse_vae": TrainerEntry(
        "introsearch.settings.shallow:CollapseVAESettings",
        "introsearch.training.shallow.trainer:CollapseVAE",
        judged_as="modes",
    ),
    "collapse_cvae": TrainerEntry(
        "introsearch.settings.shallow:CollapseCVAESettings",
        "introsearch.training.shallow.trainer:CollapseCVAE",
        judged_as="modes",
    ),
    "collapse_hvae": TrainerEntry(
        "introsearch.settings.shallow:CollapseHVAESettings",
        "introsearch.training.shallow.trainer:CollapseHVAE",
        judged_as="modes modes_of_two",
    ),
}

METRICS: dict[str, MetricEntry] = {
    "hist_kl_paper": MetricEntry("histograms", "points"),
    "hist_jsd_paper": MetricEntry("histograms", "points"),
    "hist_kl": MetricEntry("histograms", "points"),
    "hist_jsd": MetricEntry("histograms", "points"),
    "responsibility_entropy": MetricEntry("responsibilities", "any_data", "maximize"),
    "active_units": MetricEntry("active_units", "any_data modes", "maximize", counts_units=True),
    "active_pairs": MetricEntry("active_units", "any_data modes", "maximize"),
    "fid_gen": MetricEntry("generation", "images", features=True),
    "fid_rec": MetricEntry("generation", "images", features=True, costly=True),
    "kid_gen": MetricEntry("generation", "images", features=True, costly=True),
    "precision_gen": MetricEntry("generation", "images", "maximize", features=True, costly=True),
    "recall_gen": MetricEntry("generation", "images", "maximize", features=True, costly=True),
    "fid_gen_paper": MetricEntry("published", "images", features=True, costly=True, asked=True),
    "fid_rec_paper": MetricEntry("published", "images", features=True, costly=True, asked=True),
    "responsibility_entropy_paper": MetricEntry(
        "published", "images", "maximize", costly=True, asked=True
    ),
    "svm_2k": MetricEntry("representation", "images", "maximize", costly=True),
    "svm_10k": MetricEntry("representation", "images", "maximize", costly=True),
    "knn_5": MetricEntry("representation", "images", "maximize", costly=True),
    "knn_100": MetricEntry("representation", "images", "maximize", costly=True),
    "rec_test": MetricEntry("image_elbo", "images"),
    "kl_test": MetricEntry("image_elbo", "images"),
    "prior_logvar_max": MetricEntry("image_elbo", "images"),
    "mmd_latent": MetricEntry("latents", "images latents", costly=True),
    "mmd_null": MetricEntry("latents", "images latents", "", costly=True),
    "latent_nll": MetricEntry("latents", "images latents", costly=True),
    "latent_kl": MetricEntry("latents", "latents", costly=True),
    "effective_share": MetricEntry("latents", "images latents", "maximize", costly=True),
    "sampling_ms": MetricEntry("latents", "images latents", timing=True, costly=True),
    "gnelbo_e7": MetricEntry("elbo", "points", costly=True),
    "active_modes": MetricEntry("modes", "modes", ""),
    "predicted_modes": MetricEntry("modes", "modes", ""),
    "active_modes_z2": MetricEntry("modes", "modes_of_two", ""),
    "predicted_modes_z2": MetricEntry("modes", "modes_of_two", ""),
    "mode_kl": MetricEntry("modes", "modes", ""),
    "predicted_kl": MetricEntry("modes", "modes", ""),
    "mode_kl_z2": MetricEntry("modes", "modes_of_two", ""),
    "predicted_kl_z2": MetricEntry("modes", "modes_of_two", ""),
    "kl_gap": MetricEntry("modes", "modes"),
    "lam_gap": MetricEntry("modes", "modes"),
    "loss_gap": MetricEntry("modes", "modes"),
    "active_units_z2": MetricEntry("modes", "modes_of_two", "", counts_units=True),
    "omega_gap": MetricEntry("modes", "modes", needs=("activation", "linear")),
    "nll_test": MetricEntry("modes", "modes", costly=True),
}


def is_costly(metric: str) -> bool:
    """Whether a metric is computed once only, at the end of a report trial."""
    return metric in METRICS and METRICS[metric].costly


def is_timing(metric: str) -> bool:
    """Whether a metric is a wall time, never twice the same."""
    return metric in METRICS and METRICS[metric].timing


def is_asked(metric: str) -> bool:
    """Whether a metric is computed only where a study names it: one's own, and some registered."""
    return metric not in METRICS or METRICS[metric].asked
