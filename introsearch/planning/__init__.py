"""What a study would do and take, before it does anything."""
