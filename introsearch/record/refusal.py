"""Refuses to go on with a study whose file no longer means what its trials were run for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from introsearch.errors import ConfigError
from introsearch.record import tags as record
from introsearch.record.provenance import provenance
from introsearch.record.results import download_study
from introsearch.record.runs import read_seed_runs, runs_of, suggested_in
from introsearch.statuses import SETTLED
from introsearch.study.file.loader import load_study
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

TAGS = (record.CONFIG_ID, record.SEED, record.STATUS)
HINT = (
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
    path = _recorded_file(client, run) if ended else None
    if path is None:
        return
    before = _load(study, path, run)
    configurations = _expansions(client, experiment.experiment_id, before, study)
    definition = json.loads(path.read_text(encoding="utf-8"))
    recorded = run.data.tags.get(record.EXPANSION)
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
        EndedTrial(run.tags[record.CONFIG_ID], int(run.tags[record.SEED]))
        for run in read_seed_runs(client, experiment_id, tags=TAGS, metrics=())
        if run.tags[record.STATUS] in SETTLED
    ]


def _recorded_file(client: MlflowClient, run: Run) -> Path | None:
    """The study as it was last run; None if a driver was killed before it was written whole."""
    try:
        path = download_study(client, run)
        json.loads(path.read_text(encoding="utf-8"))
    except (ConfigError, ValueError):
        return None
    return path


def _load(study: Study, path: Path, run: Run) -> Study:
    folders = json.loads(run.data.tags.get(record.MODULE_FOLDERS, "[]"))
    try:
        return load_study(path, name=study.name, module_folders=[*folders, str(Path.cwd())])
    except ConfigError as error:
        raise ConfigError(
            f"what was last run under the name {study.name!r} cannot be compared with this: "
            f"{error.key}: {error.message}",
            file=study.file,
            hint=HINT,
        ) from error


def _expansions(client: MlflowClient, experiment_id: str, *studies: Study) -> tuple[Expansion, ...]:
    runs = runs_of(client, experiment_id, level="configuration")
    tpe = any(study.method == "tpe" for study in studies)
    suggested = suggested_in(runs) if tpe else {}
    return tuple(
        expand_suggested(study, suggested.values()) if study.method == "tpe" else expand(study)
        for study in studies
    )


def _other_version(study: Study, run: Run, *, num_ended: int) -> ConfigError:
    words = ("introsearch.version.introsearch", "mlflow.source.git.commit")
    versions = [
        " ".join(tags[word][:12] for word in words if word in tags)
        for tags in (run.data.tags, provenance())
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
        hint=HINT,
    )
