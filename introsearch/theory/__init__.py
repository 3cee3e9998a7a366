"""Posterior collapse in closed form: linear models of which the optimum is known. No torch."""
