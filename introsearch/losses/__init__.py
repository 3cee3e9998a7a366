"""Objectives: pure functions of tensors and weights."""
