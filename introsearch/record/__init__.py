"""The record of studies in MLflow: all that is written to it and read from it."""
