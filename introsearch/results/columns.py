"""The columns of the frame with a row per seed run that results are computed from."""

from __future__ import annotations

COLUMNS = (
    "run_id", "config_id", "seed", "groups", "stage", "status", "reason", "iteration", "end_ms",
    "decision", "extractor",
)  # fmt: skip
METRIC, PARAM, VERSION = "metric.", "param.", "version."  # prefixes of further columns
