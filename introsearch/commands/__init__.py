"""The commands of `introsearch`, a module each, and what they take."""
