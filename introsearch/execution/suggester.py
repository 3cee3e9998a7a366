"""Suggests configurations while a study runs, each as soon as what it depends on is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from introsearch.record.recorder import Recorder
from introsearch.study.model import Configuration, Study
from introsearch.study.search.spaces import group_spaces
from introsearch.study.search.suggestions import (
    Outcome,
    Suggested,
    Suggestion,
    configuration_of,
    suggestions_by_group,
)
from introsearch.study.sections import Tpe

OutcomeOf = Callable[[str], Outcome | None]


class Suggester:
    """Makes the suggestions that a study's record does not have yet, and records them.

    Args:
        study: a study whose method is ``tpe``.
        recorder: of its record.
    """

    def __init__(self, study: Study, recorder: Recorder) -> None:
        self.study = study
        self.recorder = recorder
        self.settings = study.tpe or Tpe()
        self._spaces = group_spaces(study)
        self._made = suggestions_by_group(study, recorder.suggested.values())
        self._outcomes: dict[str, list[Outcome]] = {group: [] for group in self._spaces}
        # Numbers are never given twice, though an edit may have left some suggestions out.
        self._next_number = dict.fromkeys(self._spaces, 0)
        for one in recorder.suggested.values():
            if one.group in self._spaces:
                self._next_number[one.group] = max(self._next_number[one.group], 1 + max(one.at))

    def to_come(self, group: str | None = None) -> int:
        """How many suggestions are still to be made, in one group or in all."""
        limit = self.study.budget.max_trials or 0
        groups = self._made if group is None else [group]
        return sum(limit - len(self._made[g]) for g in groups)

    def more(self, outcome_of: OutcomeOf) -> Iterator[Configuration]:
        """New configurations that can be suggested by now, of one group after the other.

        Args:
            outcome_of: how well a configuration did, by identity; None if that is not known yet.
        """
        open_groups = list(self._spaces)
        while open_groups:
            open_groups = [group for group in open_groups if self._is_due(group, outcome_of)]
            for group in open_groups:
                configuration = self._suggest(group)
                if configuration is not None:
                    yield configuration

    def _is_due(self, group: str, outcome_of: OutcomeOf) -> bool:
        made, outcomes = self._made[group], self._outcomes[group]
        if self.to_come(group) == 0:
            return False
        while len(outcomes) < len(made):
            outcome = outcome_of(made[len(outcomes)][1])
            if outcome is None:
                break
            outcomes.append(outcome)
        return len(outcomes) > len(made) - self.settings.num_parallel

    def _suggest(self, group: str) -> Configuration | None:
        """Make and record a group's next suggestion; None if it has that configuration already."""
        from introsearch.study.search.tpe import suggest  # imports Optuna: grids need none

        made, outcomes, spaces = self._made[group], self._outcomes[group], self._spaces[group]
        num_known = max(0, len(made) - self.settings.num_parallel + 1)  # more may be, by chance
        known = [outcomes[i] if i < num_known else None for i in range(len(made))]
        ids = {config_id for _, config_id in made}

        def is_new(candidate: Suggestion) -> bool:
            return configuration_of(self.study, group, spaces, candidate).id not in ids

        suggestion = suggest(
            spaces,
            [(earlier, outcome) for (earlier, _), outcome in zip(made, known, strict=True)],
            seed=f"{self.study.seed}/{group}/{self._next_number[group]}",
            goal=self.study.metric.goal,
            num_startup=self.settings.num_startup,
            is_new=is_new,
        )
        configuration = configuration_of(self.study, group, spaces, suggestion)
        first = self._record(group, suggestion, configuration)
        made.append((first, configuration.id))
        return None if configuration.id in ids else configuration

    def _record(
        self, group: str, suggestion: Suggestion, configuration: Configuration
    ) -> Suggestion:
        """Returns how the configuration was chosen first: a restarted study knows no other way."""
        number = self._next_number[group]
        self._next_number[group] += 1
        entry = Suggested(
            group=group, at=(number,), suggestion=suggestion, config_id=configuration.id
        )
        if any(config_id == configuration.id for _, config_id in self._made[group]):
            first = self.recorder.suggested[configuration.id]
            entry = replace(first, at=(*first.at, number))
        self.recorder.note_suggestion(configuration, entry)
        return entry.suggestion
