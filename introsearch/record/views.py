"""Views of a study in MLflow's pages: which runs to list, in which order, with which columns.

MLflow keeps the views that users share as tags of the experiment, under a key that their address
names. Two of ours make one click of what would be filters and column menus.

Their form is private to MLflow's pages. Those of later versions save a view with a name and a date
around it (mlflow/mlflow#24359), for a menu that does not list ours; a view as it is written here is
still shown where an address names it, as of MLflow 3.17.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from introsearch.record.tags import CHOSEN, LEVEL, STAGE, STATUS
from introsearch.study.model import Study
from introsearch.study.search.expand import expand, searched_settings

TAG = "mlflow.sharedViewState."
CONFIGURATIONS, SEEDS = "introsearch-configurations", "introsearch-seeds"
_MAX_COLUMNS = 6  # of metrics, and as many of settings


def views(study: Study) -> dict[str, str]:
    """Tags for the study's experiment, by name.

    `CONFIGURATIONS` lists the configurations of each group with mean, std and n; `SEEDS` the
    reported runs of each group with every metric. Both with the settings that are searched.
    """
    settings = [f"params.`{name}`" for name in searched_settings(expand(study))[:_MAX_COLUMNS]]
    first = study.metric.name
    others = [name for name in study.metric_goals if name != first][: _MAX_COLUMNS - 1]
    means = [f"metrics.`{name}`" for name in (f"{first}.mean", f"{first}.std", "n")]
    means += [f"metrics.`{name}.mean`" for name in others]
    chosen, status = f"tags.`{CHOSEN}`", f"tags.`{STATUS}`"
    values = [f"metrics.`{name}`" for name in (first, *others)]
    configurations = f"tags.`{LEVEL}` = 'configuration'"
    reported = f"tags.`{STAGE}` = 'report'"
    return {
        TAG + CONFIGURATIONS: _view(configurations, [*means, *settings, chosen]),
        TAG + SEEDS: _view(reported, [*values, "params.`seed`", *settings, status]),
    }


def _view(condition: str, columns: Sequence[str]) -> str:
    return json.dumps(
        {
            "searchFilter": condition,
            "orderByKey": "tags.`group`",
            "orderByAsc": True,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "selectedColumns": list(columns),
            "runsExpanded": {},
            "runsPinned": [],
            "runsHidden": [],
            "runListHidden": False,
            "viewMaximized": True,
        }
    )
