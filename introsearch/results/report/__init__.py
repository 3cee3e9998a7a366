"""The report of a study: what is in it, its page, and its files."""
