"""Finds a trial in the record by what a user calls it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from introsearch.errors import ConfigError
from introsearch.record.runs import SeedRun, find_experiment, read_seed_runs, runs_of, seed_run
from introsearch.record.store import store_errors
from introsearch.record.tags import CONFIG_ID, LEVEL

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_START_OF_NAME = re.compile(r"([0-9a-f]{1,12})(-s?[0-9]*)?")
_NUM_NAMED = 5  # in a message


@store_errors
def find_trial(client: MlflowClient, text: str, *, study: str | None = None) -> SeedRun:
    """The run of a trial.

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
    found = [run for name in studies for run in _starting_with(client, studies, name, text)]
    found = [run for run in found if run.entry.name == text] or found
    if not found:
        raise _nothing(client, studies.values(), text)
    if len(found) > 1:
        raise _several(found, text)
    return found[0]


@store_errors
def find_everywhere(client: MlflowClient, name: str) -> list[SeedRun]:
    """The runs of a trial, one of each study that has it; there need not be any."""
    studies = _studies(client, None)
    found = [run for study in studies for run in _starting_with(client, studies, study, name)]
    return [run for run in found if run.entry.name == name]


def _run_by_id(client: MlflowClient, run_id: str) -> SeedRun | None:
    try:
        run = client.get_run(run_id)
    except MlflowException:
        return None
    level = run.data.tags.get(LEVEL, "foreign")
    if level != "seed":
        raise ConfigError(
            f"the run {run_id} is no trial's but a {level} run",
            key="TRIAL",
            hint="`introsearch status NAME --trials` lists a study's trials",
        )
    return seed_run(run, study=client.get_experiment(run.info.experiment_id).name)


def _studies(client: MlflowClient, study: str | None) -> dict[str, str]:
    if study is not None:
        return {study: find_experiment(client, study)}
    return {e.name: e.experiment_id for e in client.search_experiments()}


def _starting_with(
    client: MlflowClient, studies: Mapping[str, str], study: str, text: str
) -> list[SeedRun]:
    match = _START_OF_NAME.fullmatch(text)
    if match is None:
        return []
    start = f"tags.`{CONFIG_ID}` LIKE '{match[1]}%'"
    runs = runs_of(client, studies[study], level="seed", where=start)
    found = (seed_run(run, study=study) for run in runs)
    return [run for run in found if run.entry.name.startswith(text)]


def _nothing(client: MlflowClient, experiment_ids: Iterable[str], text: str) -> ConfigError:
    names = {
        run.entry.name
        for i in experiment_ids
        for run in read_seed_runs(client, i, attributes=(), metrics=())
    }
    close = get_close_matches(text, sorted(names), n=_NUM_NAMED, cutoff=0.5)
    nearest = f"did you mean {' or '.join(close)}? " if close else ""
    return ConfigError(
        f"no trial's name starts with {text!r}",
        key="TRIAL",
        hint=f"{nearest}`introsearch status NAME --trials` lists a study's trials",
    )


def _several(found: Sequence[SeedRun], text: str) -> ConfigError:
    names = sorted({run.entry.name for run in found})
    studies = sorted({run.study for run in found})
    if len(names) == 1:
        return ConfigError(
            f"several studies have the trial {names[0]}: {', '.join(studies)}",
            key="TRIAL",
            hint=f"add --study {studies[0]}",
        )
    more = ", ..." if len(names) > _NUM_NAMED else ""
    return ConfigError(
        f"{len(names):,} trials start with {text!r}",
        key="TRIAL",
        hint=f"give more of its name: {', '.join(names[:_NUM_NAMED])}{more}",
    )
