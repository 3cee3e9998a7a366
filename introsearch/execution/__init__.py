"""Running studies: the conductor of a stage decides, Ray Tune trains, the record remembers."""
