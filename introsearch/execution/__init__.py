"""Running studies: Ray Tune, the conductor of a stage, progress."""
