"""Slopes of the energy against automatic differentiation, twice."""

import torch

from introsearch.nets.energy import EnergyNetwork


def test_slopes_and_their_derivatives_are_those_of_autograd():
    torch.manual_seed(0)
    energy = EnergyNetwork(5, hidden_units=16).double()
    z = torch.randn(40, 5, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(energy(z).sum(), z, create_graph=True)
    slopes = energy.slopes(z)
    torch.testing.assert_close(slopes, expected, rtol=0, atol=1e-14)
    # Biases of the energy, and z, move slopes only where activations have their kinks.
    weights = [p for p in energy.parameters() if p.ndim == 2]
    for one, other in zip(
        torch.autograd.grad(slopes.square().sum(), weights),
        torch.autograd.grad(expected.square().sum(), weights),
        strict=True,
    ):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
