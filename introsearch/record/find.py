"""Finds a trial in the record by what a user calls it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from introsearch.errors import ConfigError
from introsearch.record import tags as record
from introsearch.record.runs import find_experiment, runs_of
from introsearch.study.model import trial_name

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_START_OF_NAME = re.compile(r"([0-9a-f]{1,12})(-s?[0-9]*)?")
NUM_NAMED = 5  # in a message


def find_trial(client: MlflowClient, text: str, *, study: str | None = None) -> Run:
    """The seed run of a trial.

    Args:
        client: of the store.
        text: the trial's name, a start of it that no other trial has, or the id of its run.
        study: the study to look in; all of them unless given.

    Raises:
        ConfigError: no such trial, or several.
    """
    if _RUN_ID.fullmatch(text) and (run := _run_by_id(client, text)):
        return run
    studies = _studies(client, study)
    found = [
        (name, run)
        for name, experiment_id in studies.items()
        for run in _starting_with(client, experiment_id, text)
    ]
    exact = [(name, run) for name, run in found if name_of(run) == text]
    found = exact or found
    if not found:
        raise _nothing(client, studies.values(), text)
    if len(found) > 1:
        raise _several(found, text)
    return found[0][1]


def find_everywhere(client: MlflowClient, name: str) -> dict[str, Run]:
    """The seed runs of a trial by the studies that have it; there need not be any."""
    return {
        study: run
        for study, experiment_id in _studies(client, None).items()
        for run in _starting_with(client, experiment_id, name)
        if name_of(run) == name
    }


def name_of(run: Run) -> str:
    """The trial's name of a seed run."""
    return trial_name(run.data.tags[record.CONFIG_ID], int(run.data.tags[record.SEED]))


def _run_by_id(client: MlflowClient, run_id: str) -> Run | None:
    try:
        run = client.get_run(run_id)
    except MlflowException:
        return None
    level = run.data.tags.get(record.LEVEL, "foreign")
    if level != "seed":
        raise ConfigError(
            f"the run {run_id} is no trial's but a {level} run",
            key="TRIAL",
            hint="`introsearch status NAME --trials` lists a study's trials",
        )
    return run


def _studies(client: MlflowClient, study: str | None) -> dict[str, str]:
    if study is not None:
        return {study: find_experiment(client, study)}
    return {e.name: e.experiment_id for e in client.search_experiments()}


def _starting_with(client: MlflowClient, experiment_id: str, text: str) -> list[Run]:
    match = _START_OF_NAME.fullmatch(text)
    if match is None:
        return []
    start = f"tags.`{record.CONFIG_ID}` LIKE '{match[1]}%'"
    runs = runs_of(client, experiment_id, level="seed", where=start)
    return [run for run in runs if name_of(run).startswith(text)]


def _nothing(client: MlflowClient, experiment_ids: Iterable[str], text: str) -> ConfigError:
    names = {name_of(run) for i in experiment_ids for run in runs_of(client, i, level="seed")}
    close = get_close_matches(text, sorted(names), n=NUM_NAMED, cutoff=0.5)
    nearest = f"did you mean {' or '.join(close)}? " if close else ""
    return ConfigError(
        f"no trial's name starts with {text!r}",
        key="TRIAL",
        hint=f"{nearest}`introsearch status NAME --trials` lists a study's trials",
    )


def _several(found: Sequence[tuple[str, Run]], text: str) -> ConfigError:
    names = sorted({name_of(run) for _, run in found})
    studies = sorted({study for study, _ in found})
    if len(names) == 1:
        return ConfigError(
            f"several studies have the trial {names[0]}: {', '.join(studies)}",
            key="TRIAL",
            hint=f"add --study {studies[0]}",
        )
    more = ", ..." if len(names) > NUM_NAMED else ""
    return ConfigError(
        f"{len(names):,} trials start with {text!r}",
        key="TRIAL",
        hint=f"give more of its name: {', '.join(names[:NUM_NAMED])}{more}",
    )
