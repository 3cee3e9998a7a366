"""A small valid study file, and a loader for its text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from introsearch.study.loader import load_study
from introsearch.study.model import Study

SMALL = """\
name: small
trainer: sintrovae
method: grid
metric: {name: hist_kl_paper}
groups: [dataset, variant]
seeds: {select: [0], report: [1, 2]}
parameters:
  dataset: {values: [8gaussians, rings]}
  beta_kl: {values: [0.1, 0.3]}
  beta_neg: {times: beta_kl, values: [1, 3]}
  iterations: 30000
variants:
  sg: {prior: gaussian}
  ip:
    prior: mog
    components: 8
    intro_prior: true
early_terminate: {type: asha, min_iter: 3000, max_iter: 30000, eta: 3}
"""

Load = Callable[..., Study]


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str, *overrides: str, name: str | None = None) -> Study:
        path = tmp_path / "study.yaml"
        path.write_text(text, encoding="utf-8")
        return load_study(path, overrides=overrides, name=name)

    return load_text
