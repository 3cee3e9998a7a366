"""What the runs of a study say in their tags: one typed entry per level of runs.

Tags are plain words or JSON, and this module alone turns them into entries and back; its siblings
name some where they search for runs. Nothing is read out of the names of runs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from introsearch.editions import CURRENT, FIRST
from introsearch.statuses import Status
from introsearch.study.model import Configuration, Stage, Trial, trial_name
from introsearch.study.search.suggestions import Suggested

LEVEL = "introsearch.level"  # study | configuration | seed
CONFIG_ID = "introsearch.config_id"
SEED = "introsearch.seed"
STATUS = "introsearch.status"
REASON = "introsearch.reason"
RUNGS = "introsearch.rungs"
DECISION = "introsearch.decision"
TRAINER = "introsearch.trainer"
SETTINGS = "introsearch.settings"
MANNER = "introsearch.manner"
GROUPS = "introsearch.groups"
VARIANTS = "introsearch.variants"
STAGE = "introsearch.stage"
CHOSEN = "introsearch.chosen_in"
SUGGESTED = "introsearch.suggested"
_MODULE_FOLDERS = "introsearch.module_folders"
ITERATION = "introsearch.iteration"
EXTRACTOR = "introsearch.extractor"
EXPANSION = "introsearch.expansion"
_EDITION = "introsearch.edition"

_VERSION = "introsearch.version."  # and the name of a package, or python
_ORIGIN = {
    "host": "introsearch.host",
    "command": "introsearch.command",
    "user": "mlflow.user",
    "commit": "mlflow.source.git.commit",
}
_MOST_OF_A_REASON = 500  # characters

Tags = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a run comes from.

    Attributes:
        versions: of introsearch, its main libraries and Python, by name.
        host: name of the machine of the driver.
        command: what was typed, without passwords.
        user: the account.
        commit: of the checkout that holds the code; empty without one.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    command: str = ""
    user: str = ""
    commit: str = ""

    def to_tags(self) -> dict[str, str]:
        tags = {f"{_VERSION}{name}": version for name, version in self.versions.items()}
        tags |= {tag: getattr(self, name) for name, tag in _ORIGIN.items() if name != "commit"}
        return tags | ({_ORIGIN["commit"]: self.commit} if self.commit else {})

    @staticmethod
    def from_tags(tags: Tags) -> Origin:
        versions = {k.removeprefix(_VERSION): v for k, v in tags.items() if k.startswith(_VERSION)}
        return Origin(versions=versions, **{n: tags.get(tag, "") for n, tag in _ORIGIN.items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyEntry:
    """What the study's own run says.

    Attributes:
        status: `RUNNING`, `FINISHED`, `FAILED` or `INTERRUPTED`.
        module_folders: where the study's own extensions were searched.
        expansion: tells whether the study file still leads to the same configurations
            (`study.search.edits.fingerprint`); empty if it was not recorded.
        edition: what its defaults and metrics mean (`editions`).
        origin: of the last run.
    """

    status: Status
    module_folders: tuple[str, ...] = ()
    expansion: str = ""
    edition: int = CURRENT
    origin: Origin = field(default_factory=Origin)

    def to_tags(self) -> dict[str, str]:
        return self.origin.to_tags() | {
            STATUS: self.status.value,
            _EDITION: str(self.edition),
            _MODULE_FOLDERS: json.dumps(self.module_folders),
            EXPANSION: self.expansion,
        }

    @staticmethod
    def from_tags(tags: Tags) -> StudyEntry:
        return StudyEntry(
            status=Status(tags.get(STATUS, Status.RUNNING)),
            module_folders=tuple(json.loads(tags.get(_MODULE_FOLDERS, "[]"))),
            expansion=tags.get(EXPANSION, ""),
            edition=int(tags.get(_EDITION, FIRST)),
            origin=Origin.from_tags(tags),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigurationEntry:
    """What the run of a configuration says.

    Attributes:
        configuration: what its seeds train.
        chosen_in: labels of the groups that it was chosen in, as one text.
        suggested: how tpe came to it; None for other methods.
    """

    configuration: Configuration
    chosen_in: str | None = None
    suggested: Suggested | None = None

    def to_tags(self) -> dict[str, str]:
        tags = _configuration_tags(self.configuration)
        if self.suggested is not None:
            tags[SUGGESTED] = self.suggested.to_json()
        return tags if self.chosen_in is None else tags | {CHOSEN: self.chosen_in}

    @staticmethod
    def from_tags(tags: Tags) -> ConfigurationEntry:
        text, config_id = tags.get(SUGGESTED), tags[CONFIG_ID]
        return ConfigurationEntry(
            configuration=_configuration(tags),
            chosen_in=tags.get(CHOSEN),
            suggested=None if text is None else Suggested.from_json(text, config_id=config_id),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedEntry:
    """What the run of a trial says: a configuration with one seed.

    Attributes:
        configuration: what is trained.
        seed: its seed.
        stage: the stage that it was started for last.
        status: where it stands.
        reason: why it diverged or failed.
        decision: of early termination, in words.
        iteration: the last one that is recorded; -1 before any.
        rungs: values at rungs by iteration, for each word that says what rungs compare.
        manner: what the worker was told beside settings and seed (`TrialOrder.manner`).
        extractor: whose features fid_gen and the like compare; empty if none are compared.
        origin: of the last start.
    """

    configuration: Configuration
    seed: int
    stage: Stage = "select"
    status: Status = Status.RUNNING
    reason: str = ""
    decision: str = ""
    iteration: int = -1
    rungs: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    manner: Mapping[str, Any] = field(default_factory=dict)
    extractor: str = ""
    origin: Origin = field(default_factory=Origin)

    @property
    def config_id(self) -> str:
        return self.configuration.id

    @property
    def name(self) -> str:
        """The trial's name."""
        return trial_name(self.configuration.id, self.seed)

    @property
    def trial(self) -> Trial:
        return Trial(configuration=self.configuration, seed=self.seed, stage=self.stage)

    def to_tags(self, *names: str) -> dict[str, str]:
        """The tags of some attributes; of all of them if none are named."""
        tags: dict[str, dict[str, str]] = {
            "configuration": _configuration_tags(self.configuration),
            "seed": {SEED: str(self.seed)},
            "stage": {STAGE: self.stage},
            "status": {STATUS: self.status.value},
            "reason": {REASON: self.reason[:_MOST_OF_A_REASON]},
            "decision": {DECISION: self.decision},
            "iteration": {} if self.iteration < 0 else {ITERATION: str(self.iteration)},
            "rungs": {RUNGS: json.dumps(self.rungs)} if self.rungs else {},
            "manner": {MANNER: json.dumps(self.manner)},
            "extractor": {EXTRACTOR: self.extractor} if self.extractor else {},
            "origin": self.origin.to_tags(),
        }
        return {tag: text for name in names or tags for tag, text in tags[name].items()}

    @staticmethod
    def from_tags(tags: Tags) -> SeedEntry:
        """Of some or all of a run's tags; attributes whose tags are not among them are empty."""
        rungs = json.loads(tags.get(RUNGS, "{}"))
        return SeedEntry(
            configuration=_configuration(tags),
            seed=int(tags[SEED]),
            stage="report" if tags.get(STAGE) == "report" else "select",
            status=Status(tags[STATUS]),
            reason=tags.get(REASON, ""),
            decision=tags.get(DECISION, ""),
            iteration=int(tags.get(ITERATION, -1)),
            rungs={k: {int(i): v for i, v in of.items()} for k, of in rungs.items()},
            manner=json.loads(tags.get(MANNER, "{}")),
            extractor=tags.get(EXTRACTOR, ""),
            origin=Origin.from_tags(tags),
        )


_TAGS_OF = {
    "configuration": (CONFIG_ID, TRAINER, SETTINGS, GROUPS, VARIANTS),
    "stage": (STAGE,),
    "reason": (REASON,),
    "decision": (DECISION,),
    "iteration": (ITERATION,),
    "rungs": (RUNGS,),
    "manner": (MANNER,),
    "extractor": (EXTRACTOR,),
}


def tags_of(names: Collection[str]) -> set[str]:
    """The tags that `SeedEntry.from_tags` needs for these attributes; identity, seed and status
    are always among them."""
    return {CONFIG_ID, SEED, STATUS, *(tag for name in names for tag in _TAGS_OF[name])}


def _configuration_tags(configuration: Configuration) -> dict[str, str]:
    return {
        CONFIG_ID: configuration.id,
        TRAINER: configuration.trainer,
        SETTINGS: json.dumps(configuration.settings),
        GROUPS: json.dumps(configuration.groups),
        VARIANTS: json.dumps(configuration.variants),
        "group": " + ".join(configuration.groups),  # for columns of MLflow's pages
        "variant": " + ".join(configuration.variants),
    }


def _configuration(tags: Tags) -> Configuration:
    return Configuration(
        id=tags[CONFIG_ID],
        trainer=tags.get(TRAINER, ""),
        settings=json.loads(tags.get(SETTINGS, "{}")),
        groups=tuple(json.loads(tags.get(GROUPS, "[]"))),
        variants=tuple(json.loads(tags.get(VARIANTS, "[]"))),
    )
