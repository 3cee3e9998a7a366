"""Every failure that a user can meet, typed, each with a hint of what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MAX_SHOWN = 10  # errors of a file


class IntrosearchError(Exception):
    """Base of all errors that are shown to the user without a traceback.

    Args:
        message: what is wrong, one sentence.
        hint: what would be right, or what to do next.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ConfigError(IntrosearchError, ValueError):
    """Bad input: nothing was started and nothing was written. Exit code 2.

    One may stand for several, which are all that is wrong with a file (`of`, `all`). As a
    ValueError, it may be raised by validators of pydantic's.

    Args:
        message: what is wrong.
        key: the offending key, dotted from the root of the file, e.g. ``parameters.beta_kl``.
        file: the file it stands in.
        line: its line, counted from 1.
        hint: the nearest legal key or value, and what would be legal.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str = "",
        file: str = "",
        line: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.key = key
        self.file = file
        self.line = line
        self._others: tuple[ConfigError, ...] = ()

    @classmethod
    def of(cls, errors: Iterable[ConfigError]) -> ConfigError:
        """One error that stands for several, of which there is at least one: the first, with all.

        Those that say the same of the same key are one.
        """
        unique: dict[tuple[str, str, str], ConfigError] = {}
        for error in (each for several in errors for each in several.all):
            unique.setdefault((error.file, error.key, error.message), error)
        first, *others = unique.values()
        result = first.at(file=first.file, line=first.line)
        result._others = tuple(others)
        return result

    @property
    def all(self) -> tuple[ConfigError, ...]:
        """The errors that this one stands for, each alone."""
        return (self.at(file=self.file, line=self.line), *self._others)

    def at(self, *, file: str, line: int | None, key: str | None = None) -> ConfigError:
        """The same error, alone, with its place in a file."""
        return ConfigError(
            self.message, key=self.key if key is None else key, file=file, line=line, hint=self.hint
        )

    def __str__(self) -> str:
        shown = [self._alone(), *(error._alone() for error in self._others[: _MAX_SHOWN - 1])]
        more = len(self.all) - len(shown)
        return "\n".join([*shown, f"and {more:,} more"] if more else shown)

    def _alone(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        head = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{head}\n  hint: {self.hint}" if self.hint else head

    def __reduce__(self) -> tuple[object, ...]:
        parts = [(e.message, e.key, e.file, e.line, e.hint) for e in self.all]
        return _rebuild_config_error, (parts,)


def _rebuild_config_error(parts: Iterable[tuple[str, str, str, int | None, str]]) -> ConfigError:
    return ConfigError.of(
        ConfigError(message, key=key, file=file, line=line, hint=hint)
        for message, key, file, line, hint in parts
    )


class TrialDiverged(IntrosearchError):
    """A loss or metric of a trial is NaN or infinite.

    Args:
        term: the loss term or metric that is not finite.
        iteration: the training iteration at which it was first seen.
    """

    def __init__(self, term: str, *, iteration: int) -> None:
        super().__init__(
            f"{term} is not finite at iteration {iteration}",
            hint="a smaller learning rate or smaller betas train more stably",
        )
        self.term = term
        self.iteration = iteration

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_trial_diverged, (self.term, self.iteration)


def _rebuild_trial_diverged(term: str, iteration: int) -> TrialDiverged:
    return TrialDiverged(term, iteration=iteration)


class RecordError(IntrosearchError):
    """The MLflow store stopped answering, or refused a write, in the middle of a study."""


class TooManyFailed(IntrosearchError):
    """More trials crashed than the study's budget allows."""


class ClusterError(IntrosearchError):
    """The cluster (Ray, Slurm) did not do what was asked of it."""


def nearest_hint(word: object, legal: Iterable[str]) -> str:
    """A hint with the nearest legal word first, then all of them.

    Args:
        word: what the user wrote.
        legal: the words that would have been accepted.

    Returns:
        e.g. ``did you mean 'beta_kl'? Legal: beta_kl, beta_rec``.
    """
    words = sorted(set(legal))
    close = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    start = f"did you mean {close[0]!r}? " if close else ""
    return f"{start}Legal: {', '.join(words)}"
