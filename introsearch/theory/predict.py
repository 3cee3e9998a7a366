"""Which latent modes of a linear model collapse on a data matrix, over a grid of settings.

from introsearch.theory.predict import predict
predict(matrix, model="vae", beta=[0.5, 1, 2], eta_dec=0.3).rows()
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from introsearch.errors import ConfigError, nearest_hint
from introsearch.theory.hierarchical import HierarchicalOptimum, hierarchical_optimum
from introsearch.theory.linear import LinearOptimum, linear_vae_optimum
from introsearch.theory.spectrum import Spectrum, data_spectrum

MODELS = ("vae", "cvae", "hvae")
Grid: TypeAlias = float | Sequence[float]
Setting: TypeAlias = dict[str, float | None]
_NO_MINIMUM = (
    "beta2 < beta1 with both variances learnable: there is no minimum, the loss falls for ever as "
    "z1 and its decoder from z2 grow"
)
_FLAT = (
    "beta2 = beta1 with both variances learnable: the minimum is flat, the loss does not depend on "
    "whether z2 is used, so that its collapse is left to chance"
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting and its optimum."""

    setting: Setting
    optimum: LinearOptimum | HierarchicalOptimum

    @property
    def warning(self) -> str:
        """Why there are no, or not all, numbers; empty if there are."""
        o = self.optimum
        kind = o.minimum if isinstance(o, HierarchicalOptimum) else "unique"
        return {"unique": "", "flat": _FLAT, "none": _NO_MINIMUM}[kind]

    def summary(self) -> dict[str, Any]:
        """Counts of active modes, total KLs in nats and the loss; None where there is no number."""
        o = self.optimum
        active = None if o.active is None else int(o.active.sum())
        if isinstance(o, LinearOptimum):
            return {**self.setting, "active": active, "kl": float(o.kl.sum()), "loss": o.loss}
        n = o.numbers
        return {
            **self.setting,
            "minimum": o.minimum,
            "active_z1": active,
            "active_z2": None if n is None else int(n.active_z2.sum()),
            "kl_z1": None if n is None else float(n.kl_z1.sum()),
            "kl_z2": None if n is None else float(n.kl_z2.sum()),
            "loss": o.loss,
        }

    def modes(self) -> list[dict[str, Any]]:
        """A row per latent mode, the strongest first; None where there is no number."""
        o = self.optimum
        if isinstance(o, LinearOptimum):
            names: tuple[str, ...] = ("threshold", "active", "kl", "lam", "omega", "sigma")
            columns: dict[str, Any] = {name: getattr(o, name).tolist() for name in names}
        else:
            names = (
                "active_z2", "kl_z1", "kl_z2", "lam", "omega_z1", "omega", "sigma1", "sigma2",
            )  # fmt: skip
            missing = [None] * len(o.theta)
            columns = {"active_z1": missing if o.active is None else o.active.tolist()} | {
                name: missing if o.numbers is None else getattr(o.numbers, name).tolist()
                for name in names
            }
        return [
            {**self.setting, "mode": i + 1, "theta": float(theta)}
            | {name: values[i] for name, values in columns.items()}
            for i, theta in enumerate(o.theta)
        ]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The optima of a model over a grid.

    Attributes:
        model: ``vae``, ``cvae`` or ``hvae``.
        spectrum: of the data, or of its residual given the condition.
        latents: latent dimensions, of each latent.
        cells: a setting and its optimum each, in the order of the grid.
    """

    model: str
    spectrum: Spectrum
    latents: int
    cells: tuple[Cell, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to beware of, one sentence each."""
        return (*self.spectrum.notes, *dict.fromkeys(c.warning for c in self.cells if c.warning))

    def summary(self) -> list[dict[str, Any]]:
        """A row per setting (`Cell.summary`)."""
        return [cell.summary() for cell in self.cells]

    def rows(self) -> list[dict[str, Any]]:
        """The tidy table: a row per setting and mode (`Cell.modes`), for `pandas.DataFrame`."""
        return [row for cell in self.cells for row in cell.modes()]


def predict(
    data: Any,
    *,
    model: str = "vae",
    condition: Any = None,
    latents: int = 16,
    eta_dec: Grid = 1.0,
    eta_enc: Grid = 1.0,
    beta: Grid | None = None,
    beta1: Grid | None = None,
    beta2: Grid | None = None,
    sigma: float | Sequence[float] | None = None,
    sigma1: Grid | None = None,
    sigma2: Grid | None = None,
    latents_z2: int | None = None,
) -> Prediction:
    """Predict posterior collapse for every combination of the values given.

    Args:
        data: [N, ...] numbers, a row per sample.
        model: ``vae``, ``cvae`` (a VAE given a condition) or ``hvae`` (two latents, Markovian).
        condition: [N, ...], of a ``cvae``.
        latents: latent dimensions, of each latent.
        eta_dec: standard deviations of the decoder, in units of the data.
        eta_enc: standard deviations of the prior.
        beta: weights of the KL, of ``vae`` and ``cvae`` (1).
        beta1: weights of the first KL of an ``hvae`` (1).
        beta2: weights of its second KL (1).
        sigma: fixed posterior standard deviations of ``vae`` and ``cvae``, one for all or one per
            latent dimension; None learns them.
        sigma1: fixed standard deviations of q(z1|x) of an ``hvae``; None learns them.
        sigma2: fixed standard deviations of q(z2|z1) of an ``hvae``; None learns them.
        latents_z2: fewer dimensions of z2 of an ``hvae``, with sigma1 fixed and sigma2 learnt.

    Raises:
        ConfigError: bad data or numbers, or an argument that the model does not have.
    """
    _check_model(model, condition)
    hierarchical = {
        "beta1": beta1, "beta2": beta2, "sigma1": sigma1, "sigma2": sigma2,
        "latents_z2": latents_z2,
    }  # fmt: skip
    plain = {"beta": beta, "sigma": sigma}
    for name, value in (plain if model == "hvae" else hierarchical).items():
        if value is not None:
            legal = hierarchical if model == "hvae" else plain
            raise ConfigError(
                f"is not a setting of model {model}", key=name, hint=nearest_hint(name, legal)
            )
    spectrum = data_spectrum(data, condition=condition)
    cells = []
    common = {"eta_dec": _values(eta_dec), "eta_enc": _values(eta_enc)}
    if model == "hvae":
        axes = {"beta1": _values(beta1, 1.0), "beta2": _values(beta2, 1.0), **common}
        axes |= {"sigma1": _values(sigma1), "sigma2": _values(sigma2)}
        for setting in _product(axes):
            optimum = hierarchical_optimum(
                spectrum.theta, latents=latents, latents_z2=latents_z2, **setting
            )
            cells.append(Cell(setting=setting, optimum=optimum))
    else:
        for setting in _product({"beta": _values(beta, 1.0), **common}):
            best = linear_vae_optimum(spectrum.theta, latents=latents, sigma=sigma, **setting)
            cells.append(Cell(setting=setting, optimum=best))
    return Prediction(model=model, spectrum=spectrum, latents=latents, cells=tuple(cells))


def _check_model(model: str, condition: Any) -> None:
    if model not in MODELS:
        raise ConfigError(f"unknown model {model!r}", key="model", hint=nearest_hint(model, MODELS))
    if (condition is None) == (model == "cvae"):
        raise ConfigError(
            f"model {model} {'needs a' if model == 'cvae' else 'has no'} condition",
            key="condition",
            hint="a cvae is given [N, ...] numbers with a row per sample of the data; others none",
        )


def _values(grid: Grid | None, default: float | None = None) -> Sequence[Any]:
    if grid is None:
        return (default,)
    return (float(grid),) if isinstance(grid, int | float) else tuple(map(float, grid))


def _product(axes: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
