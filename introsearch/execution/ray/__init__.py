"""Running trials on Ray Tune."""
