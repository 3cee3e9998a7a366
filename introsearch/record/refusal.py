"""Refuses to go on with a study whose file no longer means what its trials were run for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from introsearch.errors import ConfigError
from introsearch.record import artifacts
from introsearch.record.provenance import origin
from introsearch.record.results import load_recorded
from introsearch.record.runs import read_seed_runs, read_suggested, runs_of
from introsearch.record.tags import StudyEntry
from introsearch.statuses import SETTLED
from introsearch.study.model import Study
from introsearch.study.search.edits import (
    Edit,
    EndedTrial,
    changed_members,
    changed_rules,
    leads_elsewhere,
    orphans,
)
from introsearch.study.search.expand import Expansion, expand
from introsearch.study.search.suggestions import expand_suggested
from introsearch.wording import count

_HINT = (
    "--name OTHER starts a record of its own; --accept-edit goes on in this one, where trials that "
    "have ended are not run again, and those that no longer belong to the study no longer count"
)


def refuse_edit(client: MlflowClient, study: Study) -> None:
    """Compare a study with what was last run under its name; nothing is written.

    Raises:
        ConfigError: trials that have ended would no longer belong to the study, or were judged by
            other rules; says which keys were edited.
    """
    experiment = client.get_experiment_by_name(study.name)
    run = experiment and next(runs_of(client, experiment.experiment_id, level="study"), None)
    if not experiment or not run:
        return
    ended = _ended(client, experiment.experiment_id)
    found = _last_run(client, run, name=study.name, file=study.file) if ended else None
    if found is None:
        return
    before, definition = found
    configurations = _expansions(client, experiment.experiment_id, before, study)
    recorded = StudyEntry.from_tags(run.data.tags).expansion
    if recorded and leads_elsewhere(recorded, definition, expand(before)):
        raise _other_version(study, run, num_ended=len(ended))
    lost = orphans(ended, (before, configurations[0]), (study, configurations[1]))
    if lost:
        edits = [*changed_rules(before, study), *changed_members(before, study)]
        raise _refusal(
            study,
            f"{len(lost):,} of {count(len(ended), 'trial')} that ended would no longer belong "
            "to it",
            edits,
        )
    if edits := changed_rules(before, study):
        raise _refusal(study, f"{count(len(ended), 'trial')} ended under other rules", edits)


def _ended(client: MlflowClient, experiment_id: str) -> list[EndedTrial]:
    return [
        EndedTrial(run.entry.config_id, run.entry.seed)
        for run in read_seed_runs(client, experiment_id, attributes=(), metrics=())
        if run.entry.status in SETTLED
    ]


def _last_run(
    client: MlflowClient, run: Run, *, name: str, file: str
) -> tuple[Study, dict[str, Any]] | None:
    """The study as it was last run, and its definition as it was written.

    Returns:
        None if a driver was killed before it was written whole.
    """
    with ExitStack() as stack:
        try:
            path = stack.enter_context(artifacts.fetched(client, run, artifacts.STUDY))
            definition = json.loads(path.read_text(encoding="utf-8"))
        except (ConfigError, ValueError):
            return None
        try:
            return load_recorded(run, path, name=name), definition
        except ConfigError as error:
            raise ConfigError(
                f"what was last run under the name {name!r} cannot be compared with this: "
                f"{error.key}: {error.message}",
                file=file,
                hint=_HINT,
            ) from error


def _expansions(client: MlflowClient, experiment_id: str, *studies: Study) -> tuple[Expansion, ...]:
    tpe = any(study.method == "tpe" for study in studies)
    suggested = read_suggested(client, experiment_id) if tpe else []
    return tuple(
        expand_suggested(study, suggested) if study.method == "tpe" else expand(study)
        for study in studies
    )


def _other_version(study: Study, run: Run, *, num_ended: int) -> ConfigError:
    versions = [
        f"{of.versions.get('introsearch', '')} {of.commit[:12]}".strip()
        for of in (StudyEntry.from_tags(run.data.tags).origin, origin())
    ]
    edit = Edit("version of introsearch", *versions)
    message = (
        f"{count(num_ended, 'trial')} ended with settings that this version does not make of its "
        "file"
    )
    return _refusal(study, message, [edit])


def _refusal(study: Study, message: str, edits: Sequence[Edit]) -> ConfigError:
    lines = "".join(f"\n  {edit}" for edit in dict.fromkeys(edits))
    return ConfigError(
        f"the study {study.name!r} is recorded already, and {message}:{lines}",
        file=study.file,
        hint=_HINT,
    )
