"""Submitting a study to Slurm: what runs where you type the command."""
