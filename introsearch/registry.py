"""The extension points: from the name a study file uses to where its code lives.

Values are dotted paths, so that names can be checked without importing torch. Adding a data set,
prior, trainer or metric is one new file and one new line here; the conformance tests pick it up.
`introsearch.extensions` looks names up, here and among the user's own.
"""

from __future__ import annotations

from typing import NamedTuple


class TrainerEntry(NamedTuple):
    """A trainer and its settings; the settings module must not import torch.

    `judged_as` is the kind of data in whose words it is judged (`MetricEntry.data`), if that does
    not follow from its data set.
    """

    settings: str
    trainer: str
    judged_as: str = ""


class DatasetEntry(NamedTuple):
    """A data set, and what it consists of: ``points``, ``images`` or ``latents``."""

    data: str
    kind: str = "points"


class MetricEntry(NamedTuple):
    """A metric function; `costly` ones are computed once, at the end of a report trial.

    `goal` is empty where no value is better than another: it cannot be bold in a table.
    `data` are the kinds of data sets that it is for, separated by spaces; empty is any. `timing` is
    a wall time, never twice the same: it is recorded, but nothing is chosen or compared by it, and
    tables, which come out the same on every run, leave it out. `modes`: it is also for trainers
    that are judged as something else than their data. `needs` is a setting, and the value that it
    must have for the metric to mean something.
    """

    function: str
    costly: bool = False
    goal: str = "minimize"
    data: str = ""
    timing: bool = False
    modes: bool = False
    needs: tuple[str, str] | None = None


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
    **{
        f"collapse_{model.lower()}": TrainerEntry(
            f"introsearch.settings.shallow:Collapse{model}Settings",
            f"introsearch.training.shallow.trainer:Collapse{model}",
            judged_as=judged_as,
        )
        for model, judged_as in (("VAE", "modes"), ("CVAE", "modes"), ("HVAE", "modes_of_two"))
    },
}

METRICS: dict[str, MetricEntry] = {
    "hist_kl_paper": MetricEntry("introsearch.metrics.histograms:hist_kl_paper", data="points"),
    "hist_jsd_paper": MetricEntry("introsearch.metrics.histograms:hist_jsd_paper", data="points"),
    "hist_kl": MetricEntry("introsearch.metrics.histograms:hist_kl", data="points"),
    "hist_jsd": MetricEntry("introsearch.metrics.histograms:hist_jsd", data="points"),
    "responsibility_entropy": MetricEntry(
        "introsearch.metrics.responsibilities:responsibility_entropy", goal="maximize"
    ),
    **{
        name: MetricEntry(f"introsearch.metrics.active_units:{name}", goal="maximize", modes=True)
        for name in ("active_units", "active_pairs")
    },
    "fid_gen": MetricEntry("introsearch.metrics.generation:fid_gen", data="images"),
    "fid_rec": MetricEntry("introsearch.metrics.generation:fid_rec", costly=True, data="images"),
    "kid_gen": MetricEntry("introsearch.metrics.generation:kid_gen", costly=True, data="images"),
    **{
        name: MetricEntry(f"introsearch.metrics.{where}:{name}", True, "maximize", "images")
        for where, name in (
            ("generation", "precision_gen"),
            ("generation", "recall_gen"),
            ("representation", "svm_2k"),
            ("representation", "svm_10k"),
            ("representation", "knn_5"),
            ("representation", "knn_100"),
        )
    },
    "rec_test": MetricEntry("introsearch.metrics.image_elbo:rec_test", data="images"),
    "kl_test": MetricEntry("introsearch.metrics.image_elbo:kl_test", data="images"),
    "prior_logvar_max": MetricEntry(
        "introsearch.metrics.image_elbo:prior_logvar_max", data="images"
    ),
    **{
        name: MetricEntry(f"introsearch.metrics.latents:{name}", True, goal, data)
        for name, goal, data in (
            ("mmd_latent", "minimize", "images latents"),
            ("mmd_null", "", "images latents"),
            ("latent_nll", "minimize", "images latents"),
            ("latent_kl", "minimize", "latents"),
            ("effective_share", "maximize", "images latents"),
        )
    },
    "sampling_ms": MetricEntry(
        "introsearch.metrics.latents:sampling_ms", True, data="images latents", timing=True
    ),
    "gnelbo_e7": MetricEntry("introsearch.metrics.elbo:gnelbo_e7", costly=True, data="points"),
    **{
        name: MetricEntry(f"introsearch.metrics.modes:{name}", False, goal, data)
        for name, goal, data in (
            ("active_modes", "", "modes modes_of_two"),
            ("predicted_modes", "", "modes modes_of_two"),
            ("active_modes_z2", "", "modes_of_two"),
            ("predicted_modes_z2", "", "modes_of_two"),
            ("mode_kl", "", "modes modes_of_two"),
            ("predicted_kl", "", "modes modes_of_two"),
            ("mode_kl_z2", "", "modes_of_two"),
            ("predicted_kl_z2", "", "modes_of_two"),
            ("kl_gap", "minimize", "modes modes_of_two"),
            ("lam_gap", "minimize", "modes modes_of_two"),
            ("loss_gap", "minimize", "modes modes_of_two"),
            ("active_units_z2", "", "modes_of_two"),
        )
    },
    "omega_gap": MetricEntry(
        "introsearch.metrics.modes:omega_gap",
        data="modes modes_of_two",
        needs=("activation", "linear"),
    ),
    "nll_test": MetricEntry(
        "introsearch.metrics.modes:nll_test", costly=True, data="modes modes_of_two"
    ),
}


def is_costly(metric: str) -> bool:
    """Whether a metric is computed once only, at the end of a report trial."""
    return metric in METRICS and METRICS[metric].costly


def is_timing(metric: str) -> bool:
    """Whether a metric is a wall time, never twice the same."""
    return metric in METRICS and METRICS[metric].timing
