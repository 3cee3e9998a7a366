"""The closed-form optimum of the linear model that a trainer has, or is compared with."""

from __future__ import annotations

from introsearch.metrics.modes import PredictedModes
from introsearch.settings.shallow import (
    CollapseHVAESettings,
    CollapseVAESettings,
)
from introsearch.theory.hierarchical import hierarchical_optimum
from introsearch.theory.linear import Floats, linear_vae_optimum


def predict_modes(
    theta: Floats, *, settings: CollapseVAESettings | CollapseHVAESettings
) -> PredictedModes:
    """The optimum of linear maps with these settings.

    Args:
        theta: singular values of the data, or of what the condition leaves of it, largest first.
        settings: of the trainer; its minimum is unique, as they are checked for.
    """
    if isinstance(settings, CollapseHVAESettings):
        return _two_latents(theta, settings)
    return _one_latent(theta, settings)


def _one_latent(theta: Floats, s: CollapseVAESettings) -> PredictedModes:
    optimum = linear_vae_optimum(
        theta,
        latents=s.latent_dim,
        beta=s.beta,
        eta_dec=s.eta_dec,
        eta_enc=s.eta_enc,
        sigma=s.sigma,
    )
    return PredictedModes(
        loss=optimum.loss,
        theta=optimum.theta,
        lam=optimum.lam,
        omega=optimum.omega,
        active=(optimum.active,),
        kl=(optimum.kl,),
    )


def _two_latents(theta: Floats, s: CollapseHVAESettings) -> PredictedModes:
    optimum = hierarchical_optimum(
        theta,
        latents=s.latent_dim,
        beta1=s.beta1,
        beta2=s.beta2,
        eta_dec=s.eta_dec,
        eta_enc=s.eta_enc,
        sigma1=s.sigma1,
        sigma2=s.sigma2,
    )
    n = optimum.numbers
    assert n is not None
    assert optimum.active is not None
    assert optimum.loss is not None
    return PredictedModes(
        loss=optimum.loss,
        theta=optimum.theta,
        lam=n.lam,
        omega=n.omega_z1,
        active=(optimum.active, n.active_z2),
        kl=(n.kl_z1, n.kl_z2),
    )
