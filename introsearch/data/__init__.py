"""Data sets: points drawn from a generator, images from files, and latent points."""
