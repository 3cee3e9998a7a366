"""Hyper-parameter search for introspective VAEs and learned latent priors."""

__version__ = "0.2.0.dev0"
