"""What is looked at before any trial starts."""
