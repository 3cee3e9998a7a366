"""What is to be measured, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

from introsearch.bench.measurement import Measurement
from introsearch.editions import CURRENT
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.study.model import Study, Trial
from introsearch.study.search.expand import expand
from introsearch.study.sections import Resources
from introsearch.trial.order import TrialOrder, order_of

# Without a study: the plain VAE, and the cheapest and dearest columns of the 2D benchmark.
MIXTURE = {"prior": "mog", "components": 64}
_DEFAULTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "vae": ("vae", {}),
    "sg": ("sintrovae", {"prior": "gaussian"}),
    "ip_lc": ("sintrovae", {**MIXTURE, "intro_prior": True, "learnable_contributions": True}),
}
_BETAS = {"beta_rec": 0.2, "beta_kl": 0.3}


def default_orders(*, threads: int) -> dict[str, TrialOrder]:
    """Orders by variant at the paper's settings, on the CPU or, if torch can use one, a GPU."""
    return {
        name: TrialOrder(
            name=name,
            title=name,
            trainer=trainer,
            settings=settings_to_dict(resolve_settings(trainer, {**_BETAS, **parameters})),
            seed=0,
            costly_metrics=True,
            evaluate_every=1000,
            figures_at=(),
            folder="",
            cpus=threads,
            gpus=1,
            edition=CURRENT,
        )
        for name, (trainer, parameters) in _DEFAULTS.items()
    }


def study_orders(study: Study, *, threads: int | None = None) -> dict[str, TrialOrder]:
    """The first configuration of each variant of a study, evaluated as there.

    Args:
        study: the study.
        threads: of the CPU; as many as its trials get, unless given.

    Raises:
        ConfigError: a configuration that its trainer refuses.
    """
    cpus = study.resources.cpus if threads is None else threads
    resources = Resources(cpus=cpus, gpus=study.resources.gpus)
    orders: dict[str, TrialOrder] = {}
    for configuration in expand(study).configurations:
        trial = Trial(configuration=configuration, seed=0, stage="report")
        for variant in configuration.variants:
            if variant not in orders:
                order = order_of(study, trial, resources=resources, folder="")
                orders[variant] = replace(order, costly_metrics=True)
    return {variant: orders[variant] for variant in study.variants if variant in orders}


def run_bench(
    orders: Mapping[str, TrialOrder], *, notify: Callable[[str], None]
) -> dict[str, Measurement | str]:
    """Measure one after the other; a process each, so that memory is each one's own.

    Args:
        orders: what to measure, by variant.
        notify: told what is being measured, and each result in short.

    Returns:
        Measurements, or why there is none, by variant.
    """
    # Late: it needs torch, which a wrong study file should not wait for.
    from introsearch.bench.measure import measure_or_reason

    found: dict[str, Measurement | str] = {}
    for number, (variant, order) in enumerate(orders.items(), 1):
        notify(f"measuring {number} of {len(orders)}: {variant}")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            try:
                found[variant] = process.submit(measure_or_reason, order).result()
            except BrokenProcessPool:
                found[variant] = "its process was killed, by want of memory perhaps"
        notify(f"  {_in_short(found[variant])}")
    return found


def _in_short(found: Measurement | str) -> str:
    if isinstance(found, str):
        return found.splitlines()[0]
    return f"{1e3 * found.iteration:.1f} ms/it, {found.iterations_per_second:.1f} it/s"
