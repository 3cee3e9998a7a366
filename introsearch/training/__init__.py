"""Trainers and their settings."""
