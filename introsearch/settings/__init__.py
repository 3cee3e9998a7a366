"""What trainers can be told: typed, validated, and free of torch."""
