"""The VAE and the introspective VAE."""
