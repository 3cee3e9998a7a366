"""Sees to it, before any trial starts, that networks can be compiled where they must be."""

from __future__ import annotations

from introsearch.study.model import Study
from introsearch.study.search.expand import expand


def prepare_compiler(study: Study) -> None:
    """Try this machine's compiler, if the networks of some trial must be compiled.

    Raises:
        ConfigError: it does not work here.
    """
    if any(c.settings.get("compile") is True for c in expand(study).configurations):
        # Late: it needs torch, which submitting a job of other studies does not.
        from introsearch.training.compilation import check_compiler

        check_compiler()
