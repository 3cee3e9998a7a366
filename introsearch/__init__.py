"""Hyper-parameter search for introspective VAEs and learned latent priors."""

__version__ = "0.1.0"
