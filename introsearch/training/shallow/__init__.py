"""Shallow VAEs, whose posterior collapse is predicted."""
