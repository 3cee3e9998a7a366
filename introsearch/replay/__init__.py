"""Running a recorded trial again, and comparing."""
