"""From a study to its configurations: what is searched, in which order."""
