"""Studies: from a YAML file to trials, their identity, order and early stopping. No torch."""
