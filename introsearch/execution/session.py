"""Runs a study from the command line: holds its store and folder, runs it, says what it found.

Imports MLflow. `execution.ray.environment.prepare_environment` comes before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from introsearch.cluster.file import InlineCluster, LocalCluster, RayCluster
from introsearch.editions import difference
from introsearch.execution.backend import Backend
from introsearch.execution.inline import InlineBackend
from introsearch.execution.lock import locked
from introsearch.execution.progress import Progress
from introsearch.execution.study_runner import Interrupted, StudyRunner
from introsearch.files import write_atomically
from introsearch.record.address import without_password
from introsearch.record.refusal import refuse_edit
from introsearch.record.results import as_begun
from introsearch.record.store import open_store, opening
from introsearch.results.result import StudyResult
from introsearch.statuses import Status
from introsearch.study.model import Study

Ending: TypeAlias = Literal["complete", "incomplete", "interrupted"]


def run_study(
    study: Study,
    cluster: InlineCluster | LocalCluster | RayCluster,
    *,
    uri: str,
    folder: Path,
    accept_edit: bool,
    store_options: str,
) -> Ending:
    """Run what is not recorded of a study yet, and print and keep what it found.

    Args:
        study: what to run.
        cluster: where trials run.
        uri: a legal address of the store.
        folder: of the study, for checkpoints, figures and tables.
        accept_edit: go on although ended trials were run for what the file no longer means.
        store_options: the options with which other commands find the same store.

    Raises:
        ConfigError: the store does not answer, the folder is held, or the study was edited.
        RecordError: the store stopped answering.
    """
    client = open_store(uri)
    progress = Progress()
    with locked(folder), progress:
        with opening(uri):
            study = as_begun(client, study)
            if not accept_edit:
                refuse_edit(client, study)
            runner = StudyRunner(
                study, client=client, folder=folder, progress=progress, backend=_backend_of(cluster)
            )
        if older := difference(study.edition):
            progress.say(f"Begun by an earlier version, it goes on {older}.")
        progress.say(f"Study {study.name}: files in {folder}, MLflow store {without_password(uri)}")
        try:
            result = runner.run()
        except Interrupted as reason:
            progress.say(f"Stopped: {reason}. The same command continues.")
            return "interrupted"
        _keep_tables(result, folder)
        _tell(result, folder, progress, store_options=store_options)
        return "complete" if _is_complete(result) else "incomplete"


def _backend_of(cluster: InlineCluster | LocalCluster | RayCluster) -> Backend:
    if isinstance(cluster, InlineCluster):
        return InlineBackend()
    # Late: Ray takes seconds, and an inline study does without.
    from introsearch.execution.ray.runner import RayBackend

    return RayBackend(cluster)


def _keep_tables(result: StudyResult, folder: Path) -> None:
    for fmt in ("md", "csv", "tex"):
        write_atomically(folder / f"table.{fmt}", result.table(fmt).encode())


def _tell(result: StudyResult, folder: Path, progress: Progress, *, store_options: str) -> None:
    """Print the tables, where more is to be seen, and what is missing."""
    name = f"{result.study.name}{store_options}"
    progress.say(f"\nChosen configurations\n\n{result.chosen_table('md')}\n{result.table('md')}")
    progress.say(f"Tables and figures: {folder}")
    progress.say(f"Figures of the search, as a page: introsearch report {name}")
    progress.say(f"Every run, in the browser: introsearch ui {name}")
    for group in _groups_without_choice(result):
        progress.say(f"No trial finished in {group}{_bad_ends(result, group)}.")
    if failed := _num_failed(result):
        trials = len(result.frame)
        progress.say(f"{failed} of {trials} trials failed: see {folder / 'failures'}")


def _is_complete(result: StudyResult) -> bool:
    """Whether no trial failed, every group has a choice, and every row of the table its value."""
    of_study = result.summary[result.summary["metric"] == result.study.metric.name]
    has_gaps = bool((of_study["missing"] > 0).any())
    has_finished = bool((result.frame["status"] == Status.FINISHED).any())
    whole = not (_num_failed(result) or _groups_without_choice(result) or has_gaps)
    return whole and has_finished


def _num_failed(result: StudyResult) -> int:
    return int((result.frame["status"] == Status.FAILED).sum())


def _groups_without_choice(result: StudyResult) -> list[str]:
    return [group for group, identity in result.chosen.items() if identity is None]


def _bad_ends(result: StudyResult, group: str) -> str:
    """How often trials of a group diverged and failed, with a reason of each."""
    runs = result.frame[[group in groups for groups in result.frame["groups"]]]
    ends = [
        f"{len(ended)} {status} ({ended['reason'].iloc[0]})"
        for status in (Status.DIVERGED, Status.FAILED)
        if not (ended := runs[runs["status"] == status]).empty
    ]
    return f": {', '.join(ends)}" if ends else ""
