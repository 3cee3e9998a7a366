"""Cluster files: where a study runs."""
