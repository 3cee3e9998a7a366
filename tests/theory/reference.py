"""The objectives on full matrices, minimised directly: what the closed forms must agree with."""

import torch


def spectrum_problem(theta):
    """Whitened data E x~x~^T = I and Z = diag(theta)."""
    return torch.diag(torch.tensor(theta, dtype=torch.float64))


def minimise(objective, shapes, *, seed, iterations=1000):
    """L-BFGS from a random start; returns the loss and the parameters."""
    generator = torch.Generator().manual_seed(seed)
    parameters = [
        (0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()
        for shape in shapes
    ]
    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=iterations,
        tolerance_grad=1e-11,
        tolerance_change=1e-16,
        history_size=30,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        loss = objective(*parameters)
        loss.backward()
        return loss

    optimiser.step(closure)
    return objective(*parameters).item(), [p.detach() for p in parameters]


def kl(second_moment, variance, prior_std):
    """Sum over dimensions of the data-averaged KL; both arguments [L]."""
    return 0.5 * (second_moment / prior_std**2 - 1 - (variance / prior_std**2).log()).sum()


def linear_vae(z, *, beta, eta_dec, eta_enc, sigma=None):
    """Objective of (U, V, log sigma): U [D, L], V [L, D]."""

    def objective(u, v, log_sigma=None):
        std = log_sigma.exp() if sigma is None else sigma
        error = (z - u @ v).square().sum() + (u.square() * std**2).sum()
        return error / (2 * eta_dec**2) + beta * kl(v.square().sum(1) + std**2, std**2, eta_enc)

    return objective


def hierarchical_vae(z, *, beta1, beta2, eta_dec, eta_enc, sigma1=None, sigma2=None):
    """Objective of (U1, V1, U2, W2, log sigma1, log sigma2)."""

    def objective(u1, v1, u2, w2, log1, log2):
        var1 = (2 * log1).exp() if sigma1 is None else torch.full_like(log1, sigma1**2)
        var2 = (2 * log2).exp() if sigma2 is None else torch.full_like(log2, sigma2**2)
        error = (z - u1 @ v1).square().sum() + (u1.square() * var1).sum()
        back = torch.eye(len(v1), dtype=torch.float64) - u2 @ w2
        moment1 = (
            (back @ v1).square().sum(1)
            + (back.square() * var1).sum(1)
            + (u2.square() * var2).sum(1)
        )
        moment2 = (w2 @ v1).square().sum(1) + (w2.square() * var1).sum(1) + var2
        return (
            error / (2 * eta_dec**2)
            + beta1 * kl(moment1, var1, eta_dec)
            + beta2 * kl(moment2, var2, eta_enc)
        )

    return objective
