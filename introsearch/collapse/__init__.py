"""Posterior collapse of linear VAEs in closed form, in float64 and without torch."""
