"""Cluster files: where a study runs."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from introsearch.errors import ConfigError, nearest_hint
from introsearch.settings.model import Many, Section, Whole, validated
from introsearch.study.file.document import Document, read_document

DEFAULT_OPTIONS: Mapping[str, str | bool] = {
    "requeue": True,  # after a time limit, a dead node or a preemption the job goes on by itself
    "no-kill": True,  # a dead worker node does not end the job
    "open-mode": "append",  # one log for a job and its restarts
}
RESERVED = {
    "array": "a study is one job; give it more nodes",
    "chdir": "the job runs in the folder from which you submit it",
    "clusters": "log in to that cluster and submit there",
    "error": "the job's log is in the study's folder",
    "input": "nothing is read there",
    "output": "the job's log is in the study's folder",
    "signal": "use signal_before_end_s, which stands beside sbatch",
    "wrap": "the script is made for you; `introsearch plan --cluster` shows it",
    **dict.fromkeys(
        ("help", "parsable", "quiet", "test-only", "usage", "verbose", "version", "wait"),
        "it changes what sbatch answers; remove it",
    ),
}
_OPTION = r"[a-z][a-z0-9-]+"
# A value stands between double quotes on one line of a script, and nothing is expanded there.
VALUE = r"""[^"'\\$`;#\x00-\x1f\x7f]+"""
TEMP_FOLDER_LENGTH = 20  # Ray's sockets lie below it, and their paths have at most 107 characters


def _address(value: Any) -> str:
    match = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", str(value))
    if match is None or not 0 < int(match[2]) < 2**16:
        hint = "e.g. address: 10.0.0.1:6379, as `ray start --head` printed it"
        raise ConfigError(f"must be host:port, not {value!r}", hint=hint)
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or re.search(r"[\x00-\x08\x0b-\x1f]", value):
        raise ConfigError(f"must be text, not {value!r}", hint="write it in quotes")
    return value


def _path(value: Any) -> str:
    """An absolute path."""
    text = _text(value)
    if "\n" in text or "$" in text:
        hint = "write the path out; variables are not expanded here"
        raise ConfigError(f"must be a path, not {text!r}", hint=hint)
    return str(Path(text).expanduser().absolute())


def _temp_folder(value: Any) -> str:
    folder = _path(value)
    if len(folder) > TEMP_FOLDER_LENGTH:
        raise ConfigError(
            f"{folder!r} has more than {TEMP_FOLDER_LENGTH} characters",
            hint="Ray's sockets lie below it, and Linux limits the length of their paths",
        )
    return folder


def _options(value: Any) -> Any:
    """sbatch's options, without those that say nothing."""
    if not isinstance(value, Mapping):
        return value
    faults = [fault for name, each in value.items() if (fault := _option_fault(name, each))]
    if faults:
        raise ConfigError.of(faults)
    return {
        name: each
        for name, each in value.items()
        if each is not None and (each is not False or name in DEFAULT_OPTIONS)
    }


def _option_fault(name: str, value: Any) -> ConfigError | None:
    whole = re.fullmatch(_OPTION, name)
    for reserved in [r for r in RESERVED if whole and r.startswith(name)]:  # sbatch completes names
        return ConfigError("is not yours to set", key=name, hint=RESERVED[reserved])
    if not whole:
        plain = name.lstrip("-").replace("_", "-").lower()
        hint = "sbatch's long names without the leading dashes, e.g. cpus-per-task"
        if re.fullmatch(_OPTION, plain) and len(plain) > 1:
            hint = f"did you mean {plain!r}? Legal: {hint}"
        return ConfigError("is no option of sbatch", key=name, hint=hint)
    number = value is None or isinstance(value, int)  # or true
    if number or (isinstance(value, str) and re.fullmatch(VALUE, value)):
        return None
    hint = "a whole number, true, or text on one line without quotes, \\ $ ` ; and #"
    return ConfigError(f"cannot be {value!r}", key=name, hint=hint)


def _said(check: Callable[[Any], Any], **schema: Any) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(check), WithJsonSchema({"type": "string", **schema})


_Text = Annotated[str, *_said(_text)]
_Path = Annotated[str, *_said(_path)]
_OPTIONS_SCHEMA = {  # sbatch alone knows which there are
    "type": "object",
    "propertyNames": {"pattern": f"^{_OPTION}$", "not": {"enum": sorted(RESERVED)}},
    "additionalProperties": {
        "anyOf": [
            {"type": ["integer", "boolean", "null"]},
            {"type": "string", "pattern": f"^{VALUE}$"},
        ]
    },
}


class InlineCluster(Section):
    """This process, one trial after the other: no Ray, prints are seen and a debugger works."""

    type: Literal["inline"] = "inline"


class LocalCluster(Section):
    """A private Ray on this machine, started and ended with the study."""

    type: Literal["local"] = "local"


class RayCluster(Section):
    """A Ray that is there already."""

    type: Literal["ray"] = "ray"
    address: Annotated[str, *_said(_address)] = Field(
        description="host:port of its head, as `ray start --head` printed it",
        examples=["10.0.0.1:6379"],
    )
    token_file: _Path | None = Field(
        None, description="file with its authentication token; what Ray itself finds unless given"
    )


class SlurmCluster(Section):
    """A Slurm job that starts a Ray of its own on all of its nodes."""

    type: Literal["slurm"] = "slurm"
    sbatch: Annotated[
        dict[str, str | int | bool], BeforeValidator(_options), WithJsonSchema(_OPTIONS_SCHEMA)
    ] = Field(
        description="sbatch's long option names with their values; true for an option without a "
        "value, false for one that is on by default: requeue, no-kill and open-mode",
        examples=["{nodes: 2, time: 1-00:00:00}"],
    )
    setup: Many[_Text] = Field(
        (), description="shell commands that the environment needs, e.g. module load"
    )
    environment: _Path | None = Field(
        None,
        description="folder of the virtual or conda environment on the nodes; that from which you "
        "submit unless given",
    )
    shared_folder: _Path | None = Field(
        None,
        description="folder that all nodes see, in which the runs folder lies; the current one "
        "unless given",
    )
    temp_folder: Annotated[str, *_said(_temp_folder, maxLength=TEMP_FOLDER_LENGTH)] = Field(
        "/tmp", description="short path on each node for Ray's temporary files"
    )
    signal_before_end_s: Whole = Field(
        120,
        ge=10,
        description="seconds before the time limit at which trials stop and the job is requeued; "
        "Slurm may take a minute more",
    )
    max_requeues: Whole = Field(20, ge=0, description="how often the job may start again")
    _document: Document = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Note the file, for errors about it that are found later."""
        self._document = (context or {}).get("document", Document(file="", data={}, places={}))

    def contradictions(self) -> Iterator[ConfigError]:
        # A job whose time is over as soon as it starts would be requeued for nothing.
        limit = self.sbatch.get("time")
        seconds = None if limit is None else seconds_of(limit)
        if seconds is not None and seconds <= self.signal_before_end_s:
            yield ConfigError(
                f"ends the job within signal_before_end_s ({self.signal_before_end_s} s)",
                key="sbatch.time",
                hint="give it more time, or signal_before_end_s fewer seconds",
            )

    @property
    def file(self) -> str:
        """Where it was read from."""
        return self._document.file

    def in_shared_folder(self, path: Path) -> Path:
        """`path` as all nodes see it."""
        return Path(self.shared_folder or "").absolute() / path

    def error(self, message: str, key: str, *, hint: str = "") -> ConfigError:
        """A ConfigError at one of the file's keys."""
        return self._document.error(message, key, hint=hint)


LOCAL: Final = LocalCluster()
INLINE: Final = InlineCluster()
Cluster: TypeAlias = InlineCluster | LocalCluster | RayCluster | SlurmCluster
TYPES: Mapping[str, type[Cluster]] = {
    "local": LocalCluster,
    "inline": InlineCluster,
    "ray": RayCluster,
    "slurm": SlurmCluster,
}


def load_cluster(path: str | Path) -> Cluster:
    """Read and check a cluster file.

    Raises:
        ConfigError: for all that is wrong; with file, line, key and what would be right.
    """
    document = read_document(path)
    kind = document.data.get("type")
    if kind is None:
        hint = f"add type: {' or '.join(TYPES)} to the file"
        raise document.error("the key 'type' is missing", "type", hint=hint)
    if not isinstance(kind, str) or kind not in TYPES:
        raise document.error(f"unknown type {kind!r}", "type", hint=nearest_hint(kind, TYPES))
    try:
        return validated(TYPES[kind], document.data, context={"document": document})
    except ConfigError as error:
        raise document.located(error) from None


def seconds_of(limit: str | int | bool) -> int | None:
    """A time as sbatch writes it, in seconds; None if it is none, or no limit, as 0 is.

    Args:
        limit: ``minutes[:seconds]``, ``hours:minutes:seconds`` or
            ``days-hours[:minutes[:seconds]]``.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(limit))
    if match is None:
        return None
    days, *numbers = [int(group) if group else 0 for group in match.groups()]
    if match[1] or match[4]:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds, _) = 0, numbers
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds or None
