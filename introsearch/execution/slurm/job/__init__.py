"""What runs inside a Slurm job, on its nodes."""
