"""Cluster files: where a study runs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from introsearch.errors import ConfigError
from introsearch.settings.fields import bounded
from introsearch.study.file.document import Document, read_document
from introsearch.study.file.sections import Section, required_fields

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
OPTION = r"[a-z][a-z0-9-]+"
# A value stands between double quotes on one line of a script, and nothing is expanded there.
VALUE = r"""[^"'\\$`;#\x00-\x1f\x7f]+"""
TEMP_FOLDER_LENGTH = 20  # Ray's sockets lie below it, and their paths have at most 107 characters


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalCluster:
    """A private Ray on this machine, started and ended with the study."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RayCluster:
    """A Ray that is there already.

    Attributes:
        address: host:port of its head, as `ray start --head` printed it.
        token_file: file with its authentication token; what Ray itself finds unless given.
    """

    address: str
    token_file: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmCluster:
    """A Slurm job that starts a Ray of its own on all of its nodes.

    Attributes:
        sbatch: sbatch's long option names with their values; true for an option without a value,
            false for one that `DEFAULT_OPTIONS` would set.
        setup: shell commands that the environment needs, e.g. module load.
        environment: folder of the virtual or conda environment on the nodes; that from which you
            submit unless given.
        shared_folder: folder that all nodes see, in which the runs folder lies; the current one
            unless given.
        temp_folder: short path on each node for Ray's temporary files.
        signal_before_end_s: seconds before the time limit at which trials stop and the job is
            requeued; Slurm may take a minute more.
        max_requeues: how often the job may start again.
    """

    sbatch: Mapping[str, str | int | bool]
    setup: tuple[str, ...] = ()
    environment: str | None = None
    shared_folder: str | None = None
    temp_folder: str = "/tmp"
    signal_before_end_s: int = bounded(120, low=10)
    max_requeues: int = bounded(20, low=0)
    document: Document = field(compare=False, repr=False)

    def in_shared_folder(self, path: Path) -> Path:
        """`path` as all nodes see it."""
        return Path(self.shared_folder or "").absolute() / path

    def error(self, message: str, key: str, *, hint: str = "") -> ConfigError:
        """A ConfigError at one of the file's keys."""
        return self.document.error(message, key, hint=hint)


LOCAL: Final = LocalCluster()
Cluster: TypeAlias = LocalCluster | RayCluster | SlurmCluster
TYPES: Mapping[str, type] = {"local": LocalCluster, "ray": RayCluster, "slurm": SlurmCluster}


def keys_of(cls: type) -> list[str]:
    """The keys of a cluster file of one type, besides `type`."""
    return [f.name for f in dataclasses.fields(cls) if f.compare]


def load_cluster(path: str | Path) -> Cluster:
    """Read and check a cluster file.

    Raises:
        ConfigError: anything is wrong; with file, line, key and what would be right.
    """
    document = read_document(path)
    kind = Section(document, "", document.data, required=("type",)).word("type", "", legal=TYPES)
    cls = TYPES[kind]
    required = [name for name in required_fields(cls) if name in keys_of(cls)]
    legal = ["type", *keys_of(cls)]
    root = Section(document, "", document.data, legal=legal, required=required)
    if cls is RayCluster:
        return RayCluster(address=_address(root), token_file=_path(root, "token_file"))
    return _read_slurm(root) if cls is SlurmCluster else LocalCluster()


def _read_slurm(root: Section) -> SlurmCluster:
    cluster = SlurmCluster(
        sbatch=_options(root.child("sbatch")),
        setup=_lines(root, "setup"),
        environment=_path(root, "environment"),
        shared_folder=_path(root, "shared_folder"),
        temp_folder=_temp_folder(root),
        signal_before_end_s=root.field(SlurmCluster, "signal_before_end_s"),
        max_requeues=root.field(SlurmCluster, "max_requeues"),
        document=root.document,
    )
    _check_time(root, cluster)
    return cluster


def _address(root: Section) -> str:
    value = root.data["address"]
    match = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", str(value))
    if match is None or not 0 < int(match[2]) < 2**16:
        hint = "e.g. address: 10.0.0.1:6379, as `ray start --head` printed it"
        raise root.error(f"must be host:port, not {value!r}", "address", hint=hint)
    return str(value)


def _text(section: Section, name: str) -> str:
    value = section.data[name]
    if not isinstance(value, str) or not value.strip() or re.search(r"[\x00-\x08\x0b-\x1f]", value):
        raise section.error(f"must be text, not {value!r}", name, hint=f"write {name}: ...")
    return value


def _path(root: Section, name: str) -> str | None:
    """An absolute path."""
    if root.data.get(name) is None:
        return None
    text = _text(root, name)
    if "\n" in text or "$" in text:
        hint = "write the path out; variables are not expanded here"
        raise root.error(f"must be a path, not {text!r}", name, hint=hint)
    return str(Path(text).expanduser().absolute())


def _temp_folder(root: Section) -> str:
    folder = _path(root, "temp_folder") or "/tmp"
    if len(folder) > TEMP_FOLDER_LENGTH:
        raise root.error(
            f"{folder!r} has more than {TEMP_FOLDER_LENGTH} characters",
            "temp_folder",
            hint="Ray's sockets lie below it, and Linux limits the length of their paths",
        )
    return folder


def _lines(root: Section, name: str) -> tuple[str, ...]:
    lines = Section(root.document, root.path(name), dict(_numbered(root.sequence(name))))
    return tuple(_text(lines, i) for i in lines.data)


def _numbered(items: list[Any]) -> list[tuple[str, Any]]:
    return [(str(i), item) for i, item in enumerate(items)]


def _options(section: Section) -> dict[str, str | int | bool]:
    options = {}
    for name, value in section.data.items():
        _check_option_name(section, name)
        if value is None or (value is False and name not in DEFAULT_OPTIONS):
            continue
        whole = isinstance(value, int)  # or true
        if not whole and not (isinstance(value, str) and re.fullmatch(VALUE, value)):
            raise section.error(
                f"cannot be {value!r}",
                name,
                hint="a whole number, true, or text on one line without quotes, \\ $ ` ; and #",
            )
        options[name] = value
    return options


def _check_option_name(section: Section, name: str) -> None:
    whole = re.fullmatch(OPTION, name)
    for reserved in [r for r in RESERVED if whole and r.startswith(name)]:  # sbatch completes names
        raise section.error("is not yours to set", name, hint=RESERVED[reserved])
    if whole:
        return
    plain = name.lstrip("-").replace("_", "-").lower()
    hint = "sbatch's long names without the leading dashes, e.g. cpus-per-task"
    if re.fullmatch(OPTION, plain) and len(plain) > 1:
        hint = f"did you mean {plain!r}? Legal: {hint}"
    raise section.error("is no option of sbatch", name, hint=hint)


def _check_time(root: Section, cluster: SlurmCluster) -> None:
    """A job whose time is over as soon as it starts would be requeued for nothing."""
    limit = cluster.sbatch.get("time")
    seconds = None if limit is None else seconds_of(limit)
    if seconds is not None and seconds <= cluster.signal_before_end_s:
        raise root.error(
            f"ends the job within signal_before_end_s ({cluster.signal_before_end_s} s)",
            "sbatch.time",
            hint="give it more time, or signal_before_end_s fewer seconds",
        )


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
