"""One trial: what its worker is told, how it runs, and what it reports."""
