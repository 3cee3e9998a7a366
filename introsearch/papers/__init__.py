"""What only the scripts of the three papers use: their tables, figures and published values."""
