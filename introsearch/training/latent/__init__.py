"""Trainers that fit a prior to a frozen VAE."""
