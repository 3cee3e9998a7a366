"""Measures how fast trainers are on this machine."""
