"""Trainers: they train, judge and draw one model, and know neither Ray nor MLflow nor YAML."""
