"""Study files: from YAML to trials, their identity, order and early stopping. No torch, no Ray."""
