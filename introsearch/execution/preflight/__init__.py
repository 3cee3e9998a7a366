"""Looks at what a run needs before any trial starts."""
