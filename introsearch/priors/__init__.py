"""Latent priors."""
