"""What a study would do and cost, before it does anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from introsearch.planning.shares import select_shares, stretches
from introsearch.study.model import Configuration, Study
from introsearch.study.search.expand import Expansion, report_trials, select_trials
from introsearch.wording import aligned, count

_COLUMNS = ("configurations", "duplicates", "select trials", "report trials", "iterations")


def plan_dict(study: Study, expansion: Expansion) -> dict[str, Any]:
    """Counts and cost as plain JSON values.

    Returns:
        `study`, `metric`, `seeds`, `early_terminate` (with its rungs) or None, `groups` (a dict of
        counts each) and `total`. Iterations are upper bounds, without early termination; in the
        total, what several groups share counts once.
    """
    early = study.early_terminate
    return {
        "study": study.name,
        "metric": {"name": study.metric.name, "goal": study.metric.goal},
        "seeds": {"select": list(study.seeds.select), "report": list(study.seeds.report)},
        "early_terminate": early
        and {
            "rungs": list(early.rungs),
            "unit": early.unit,
            "eta": early.eta,
            early.rung_keys[1]: getattr(early, early.rung_keys[1]),
        },
        "groups": [_group(study, expansion, group) for group in expansion.groups],
        "total": _total(study, expansion),
    }


def plan_text(study: Study, expansion: Expansion) -> str:
    """The same for people: a table with a line per group, the total, the ladder and the seeds."""
    plan = plan_dict(study, expansion)
    total = plan["total"]
    header = ["group", *_COLUMNS]
    rows = [
        [row["group"], *(f"{row[name.replace(' ', '_')]:,}" for name in _COLUMNS)]
        for row in plan["groups"]
    ]
    lines = [
        f"study {study.name}: {study.method} by {study.metric.name} ({study.metric.goal}), "
        f"{count(len(expansion.groups), 'group')}",
        "",
        *aligned([header, *rows]),
        "",
        f"total: {count(total['configurations'], 'configuration')}, "
        f"{count(total['select_trials'], 'select trial')}, "
        f"{count(total['report_trials'], 'report trial')}, "
        f"at most {total['iterations']:,} iterations",
        *_ladder_lines(study, total),
        f"seeds: {_listed(study.seeds.select)} to select, {_listed(study.seeds.report)} to report",
    ]
    return "\n".join(lines)


def _group(study: Study, expansion: Expansion, group: str) -> dict[str, Any]:
    members = expansion.members[group]
    select, report = len(study.seeds.select), len(study.seeds.report)
    return {
        "group": group,
        "configurations": len(members),
        "duplicates": expansion.duplicates[group],
        "select_trials": len(members) * select,
        "report_trials": report,
        "iterations": sum(map(_length, members)) * select + max(map(_length, members)) * report,
    }


def _total(study: Study, expansion: Expansion) -> dict[str, Any]:
    groups = [_group(study, expansion, group) for group in expansion.groups]
    select = [_length(trial.configuration) for trial in select_trials(study, expansion)]
    if all(row["configurations"] == 1 for row in groups):
        winners = {group: expansion.members[group][0].id for group in expansion.groups}
        reported = report_trials(study, expansion, winners)
        num_report, report = len(reported), sum(_length(t.configuration) for t in reported)
    else:  # who wins is not known: as if no winner were shared, and each the longest of its group
        num_report = sum(row["report_trials"] for row in groups)
        longest = [max(map(_length, expansion.members[group])) for group in expansion.groups]
        report = sum(longest) * len(study.seeds.report)
    return {
        "configurations": len(expansion.configurations),
        "duplicates": sum(row["duplicates"] for row in groups),
        "select_trials": len(select),
        "report_trials": num_report,
        "select_iterations": sum(select),
        "expected_select_iterations": round(_expected_iterations(study, expansion)),
        "report_iterations": report,
        "iterations": sum(select) + report,
    }


def _length(configuration: Configuration) -> int:
    """Training iterations of one trial."""
    length: int = configuration.settings["iterations"]
    return length


def _expected_iterations(study: Study, expansion: Expansion) -> float:
    """Of the whole select stage, with early termination."""
    shares = select_shares(study, expansion)
    return len(study.seeds.select) * sum(
        share * (end - start)
        for c in expansion.configurations
        for start, end, share in stretches(study, c, shares[c.id])
    )


def _ladder_lines(study: Study, total: dict[str, Any]) -> list[str]:
    early = study.early_terminate
    if early is None or not study.seeds.select:
        return ["early termination: none"]
    rungs = [f"{rung:,}" for rung in early.rungs]
    where = rungs[0] if len(rungs) == 1 else f"{', '.join(rungs[:-1])} and {rungs[-1]}"
    last = f", those with fewer than {early.min_active_units} active units ranking last"
    full, expected = total["select_iterations"], total["expected_select_iterations"]
    return [
        f"early termination: of each group, the best 1 in {early.eta} goes on "
        f"at {where} {early.unit}{'' if early.min_active_units is None else last}",
        f"select stage: at most {full:,} iterations; expected {expected:,} "
        f"({100 * expected / full:.0f}%)",
    ]


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"
