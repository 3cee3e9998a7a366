"""What the runs of a study say: one typed entry per level, and nobody else reads tags."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import introsearch
from introsearch.record import tags
from introsearch.record.tags import (
    REASON,
    STATUS,
    ConfigurationEntry,
    Origin,
    SeedEntry,
    StudyEntry,
    tags_of,
)
from introsearch.statuses import Status
from introsearch.study.model import Configuration
from introsearch.study.search.suggestions import Suggested, Suggestion

PACKAGE = Path(introsearch.__file__).parent
CONFIGURATION = Configuration(
    id="0123456789ab",
    trainer="vae",
    settings={"beta_kl": 0.5, "lr_milestones": [1, 2], "dataset": "rings"},
    groups=("rings / sg", "rings / ip"),
    variants=("sg",),
)
ORIGIN = Origin(
    versions={"torch": "2.13.0", "python": "3.11.7"},
    host="node1",
    command="introsearch run study.yaml",
    user="ann",
    commit="0" * 40,
)
values = st.floats(allow_nan=False, allow_infinity=False)


@given(
    seed=st.integers(0, 2**62),
    stage=st.sampled_from(["select", "report"]),
    status=st.sampled_from(Status),
    reason=st.text(max_size=500),
    decision=st.text(max_size=100),
    iteration=st.integers(-1, 10**9),
    rungs=st.dictionaries(st.text(max_size=9), st.dictionaries(st.integers(0, 10**6), values)),
    manner=st.dictionaries(st.text(max_size=9), values | st.booleans() | st.text(max_size=9)),
    extractor=st.text(max_size=9),
)
def test_a_trial_is_read_as_it_was_written(**changes: object) -> None:
    entry = SeedEntry(configuration=CONFIGURATION, origin=ORIGIN, **changes)  # type: ignore[arg-type]
    assert SeedEntry.from_tags(entry.to_tags()) == entry


def test_a_part_of_an_entry() -> None:
    entry = SeedEntry(configuration=CONFIGURATION, seed=3, status=Status.STOPPED, decision="2nd")
    assert entry.to_tags("status", "reason") == {STATUS: "stopped", REASON: ""}
    wanted = tags_of(["decision"])
    read = SeedEntry.from_tags({k: v for k, v in entry.to_tags().items() if k in wanted})
    assert (read.name, read.status, read.decision) == ("0123456789ab-s3", Status.STOPPED, "2nd")
    assert read.configuration.settings == {}


def test_a_long_reason_is_cut() -> None:
    entry = SeedEntry(configuration=CONFIGURATION, seed=0, reason="r" * 900)
    assert entry.to_tags("reason")[REASON] == "r" * 500


@pytest.mark.parametrize("origin", [ORIGIN, Origin()])
def test_studies_and_configurations_are_read_as_they_were_written(origin: Origin) -> None:
    study = StudyEntry(
        status=Status.INTERRUPTED, module_folders=("/a", "/b"), expansion="x y", origin=origin
    )
    assert StudyEntry.from_tags(study.to_tags()) == study
    suggestion = Suggestion(variant="sg", values={"beta_kl": 0.5})
    suggested = Suggested(
        group="rings / sg", at=(0, 4), suggestion=suggestion, config_id=CONFIGURATION.id
    )
    for entry in (
        ConfigurationEntry(configuration=CONFIGURATION),
        ConfigurationEntry(configuration=CONFIGURATION, chosen_in="", suggested=suggested),
    ):
        assert ConfigurationEntry.from_tags(entry.to_tags()) == entry


TAGS = [value for name, value in vars(tags).items() if name.isupper() and isinstance(value, str)]


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ("record/tags.py", "|".join(f'"{v}"' for v in TAGS)),
        ("record/artifacts.py", r"\.(log_artifacts?|log_dict|log_text|download_artifacts)\("),
    ],
)
def test_tags_and_artifacts_have_one_owner(owner: str, words: str) -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(words, path.read_text(encoding="utf-8"))
    }
    assert found == {owner}
