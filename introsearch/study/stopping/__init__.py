"""Early stopping: when trials are compared, by what, and which go on."""
