"""What the numbers of a table are, and what the marks behind them mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from introsearch.results.comparison import LEVEL, MIN_SEEDS, TIED, TOO_FEW, WORSE
from introsearch.results.tables.formats import DAGGER, DOUBLE_DAGGER, PLUS_MINUS
from introsearch.study.model import sign_of

_MARKS = {TIED: DAGGER, TOO_FEW: DOUBLE_DAGGER}


def caption(
    *,
    study: str,
    metric: str,
    goal: str,
    select_seeds: Sequence[int],
    report_seeds: Sequence[int],
    verdicts: Iterable[str],
) -> str:
    """Say what the numbers of a table are, and how its configurations were chosen, if they were.

    Args:
        study: its name.
        metric: what configurations were chosen by.
        goal: of the metric.
        select_seeds: the seeds that chose them.
        report_seeds: the seeds of the numbers.
        verdicts: of the table's rows, see `comparison.compare`.

    Raises:
        ConfigError: unknown goal.
    """
    best = "lowest" if sign_of(goal) > 0 else "highest"
    text = (
        f"{study}: mean {PLUS_MINUS} sample standard deviation (ddof=1) over the n finished runs "
        f"of the report seeds ({_seed_list(report_seeds)})."
    )
    if select_seeds:
        text += (
            f" Each row is the configuration with the {best} mean {metric} over the select seeds "
            f"({_seed_list(select_seeds)})."
        )
    shared = sorted(set(select_seeds) & set(report_seeds))
    if shared:
        text += f" Seeds used for both ({_seed_list(shared)}) favour the chosen configuration."
    return f"{text} Best mean in bold.{marks_text(verdicts)}"


def marks_text(verdicts: Iterable[str]) -> str:
    """What the marks of a table mean, with a blank before, or why there are none."""
    seen = set(verdicts)
    few = f"fewer than {MIN_SEEDS} seeds in common"
    if seen.isdisjoint({TIED, WORSE}):
        return f" n too small for tests ({few})." if TOO_FEW in seen else ""
    text = (
        f" {_MARKS[TIED]}: not significantly worse than the best (paired t-test over common seeds, "
        f"Holm's correction, {LEVEL:.0%})."
    )
    return text + (f" {_MARKS[TOO_FEW]}: n too small to tell ({few})." if TOO_FEW in seen else "")


def used_marks(verdicts: Iterable[str]) -> dict[str, str]:
    """The marks behind means by verdict; none where nothing was tested, as the caption says."""
    return _MARKS if not set(verdicts).isdisjoint({TIED, WORSE}) else {}


def _seed_list(seeds: Sequence[int]) -> str:
    ordered = sorted(set(seeds))
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
