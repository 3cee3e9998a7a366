"""What features the metrics of a table compare: said with it, and never mixed."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from introsearch.errors import ConfigError
from introsearch.registry import METRICS

_DATASET = "param.dataset"


def extractors_of(frame: pd.DataFrame) -> dict[str, str]:
    """The feature extractor of each data set whose runs were judged by one.

    Args:
        frame: one row per seed run (`record.frames.read_frame`).

    Raises:
        ConfigError: runs on one data set were judged by different ones.
    """
    if "extractor" not in frame or _DATASET not in frame:
        return {}
    judged = frame[frame["extractor"] != ""]
    found: dict[str, str] = {}
    for dataset, rows in judged.groupby(_DATASET):
        counts = rows["extractor"].value_counts()
        if len(counts) > 1:
            listed = "; ".join(f"{name}: {n} runs" for name, n in counts.items())
            raise ConfigError(
                f"runs on {dataset} were judged by different feature extractors, and their fid_gen "
                f"and its kin do not compare ({listed})",
                hint="run the study under another --name, on machines that share INTROSEARCH_CACHE",
            )
        found[str(dataset)] = str(counts.index[0])
    return found


def with_extractors(summary: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """A summary with the column ``extractor``: whose features a metric compares; empty for others.

    Args:
        summary: a row per group and metric (`results.statistics.summarise`).
        frame: of the same runs.

    Returns:
        `summary` itself if no run was judged by an extractor.

    Raises:
        ConfigError: as for `extractors_of`.
    """
    extractors = extractors_of(frame)
    if not extractors:
        return summary
    dataset_of = dict(zip(frame["config_id"], frame[_DATASET], strict=True))
    compares = summary["metric"].isin(_comparing())
    names = summary["config_id"].map(lambda i: extractors.get(str(dataset_of.get(i)), ""))
    return summary.assign(extractor=names.where(compares, ""))


def extractors_text(extractors: dict[str, str], *, asked: Collection[str] = ()) -> str:
    """A sentence for a caption, with a blank before; empty if there are none.

    Args:
        extractors: by data set, as of `extractors_of`.
        asked: metrics of the table that not all tables have.
    """
    if not extractors:
        return ""
    listed = "; ".join(f"{dataset}: {name}" for dataset, name in extractors.items())
    usual = [name for name in _comparing() if not METRICS[name].asked]
    text = f" {', '.join(usual)} compare features of {listed}."
    published = [name for name in _comparing() if METRICS[name].asked and name in asked]
    if published:
        text += (
            f" {', '.join(published)} let it normalise each batch by itself, as the published "
            "numbers do, which are several times smaller for that."
        )
    return text


def _comparing() -> list[str]:
    """The metrics that compare features of images."""
    return [name for name, entry in METRICS.items() if entry.features]
