"""Where a study stands: from the trials that are recorded to the text."""
