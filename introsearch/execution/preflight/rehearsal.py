"""Tries every kind of trial of a study in this process, within seconds, and records nothing."""

from __future__ import annotations

import os
import sysconfig
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from introsearch.data.folder import CACHE_VARIABLE
from introsearch.errors import ConfigError
from introsearch.execution.crashes import crash_reason
from introsearch.planning.calibration import local_resources
from introsearch.sample_sizes import few_samples
from introsearch.settings.base import settings_from_dict, settings_to_dict
from introsearch.statuses import Status
from introsearch.study.file.loader import at_place
from introsearch.study.group_label import group_label
from introsearch.study.model import Configuration, Study, Trial
from introsearch.study.search.expand import expand
from introsearch.study.search.spaces import in_file
from introsearch.trial.evaluation import Evaluation
from introsearch.trial.kept import KeptTrial, threads_restored
from introsearch.trial.order import TrialOrder, order_of

_ITERATIONS = 8  # half of them before the end of a warm-up
_SAMPLES = 256
_OTHERS = (  # whose code is not the user's
    f"{Path(__file__).parents[2]}{os.sep}",
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that trials of a study would fail of.

    Attributes:
        text: what is wrong, and where.
        trials: labels of the kinds of trials that it was seen in.
    """

    text: str
    trials: tuple[str, ...]


def rehearse(
    study: Study, *, overrides: Sequence[str], notify: Callable[[str], None]
) -> list[Fault]:
    """Train one configuration of each variant and data set for a few iterations.

    It is evaluated by all metrics on few samples, drawn, written to a checkpoint and read from it,
    as a worker does. All files are temporary.

    Args:
        study: the study.
        overrides: of its file.
        notify: is told what is being tried.
    """
    found: dict[str, list[str]] = {}
    kinds = _kinds(study)
    with tempfile.TemporaryDirectory(prefix="introsearch-") as folder, _cache_in(folder):
        for number, (label, configuration) in enumerate(kinds.items(), 1):
            notify(f"trying {number} of {len(kinds)}: {label}")
            if not _can_be_shortened(configuration):
                notify("  it cannot be shortened: its first iterations alone are tried")
            for text in _faults(study, configuration, folder=folder, overrides=overrides):
                found.setdefault(text, []).append(label)
    return [Fault(text=text, trials=tuple(labels)) for text, labels in found.items()]


def _kinds(study: Study) -> dict[str, Configuration]:
    """The first configuration of each variant and data set, by a label."""
    kinds: dict[tuple[str, str], Configuration] = {}
    for configuration in expand(study).configurations:
        dataset = str(configuration.settings.get("dataset") or "")
        for variant in configuration.variants:
            kinds.setdefault((dataset, variant), configuration)
    labels: dict[str, list[str]] = {}
    for (dataset, variant), configuration in kinds.items():
        label = group_label(filter(None, (dataset, variant)))
        labels.setdefault(configuration.id, []).append(label)
    by_id = {c.id: c for c in kinds.values()}
    return {" + ".join(of): by_id[identity] for identity, of in labels.items()}


def _faults(
    study: Study, configuration: Configuration, *, folder: str, overrides: Sequence[str]
) -> Iterator[str]:
    """What goes wrong with a configuration, in words."""
    try:
        last = _try(study, configuration, folder=folder)
    except ConfigError as error:
        for each in error.all:
            yield str(_in_study(each, study, configuration, overrides=overrides))
    except (Exception, SystemExit) as error:  # there is foreign code in it
        yield f"{crash_reason(traceback.format_exc())} ({_place(error)})"
    else:
        if last.status == Status.DIVERGED:
            yield f"diverges at once: {last.reason}"


def _try(study: Study, configuration: Configuration, *, folder: str) -> Evaluation:
    """A short trial up to its end or its second evaluation, made again from its checkpoint."""
    order = _order(study, configuration, folder=folder)
    sizes = (order.settings.get(name) for name in ("batch_size", "components"))
    most = max([_SAMPLES, *(size for size in sizes if isinstance(size, int))])
    with threads_restored(), few_samples(most), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")  # so short a fit does not converge
        evaluation = KeptTrial(order, echo=True).step()
        again = KeptTrial(order, echo=True)
        again.step()  # as it was evaluated before
        return again.step() if evaluation.status == Status.RUNNING else evaluation


def _can_be_shortened(configuration: Configuration) -> bool:
    """Whether all phases of its training fit into few iterations; one's own trainer may not say."""
    try:
        settings_from_dict(configuration.trainer, configuration.settings).shortened(_ITERATIONS)
    except ConfigError:
        return False
    return True


def _order(study: Study, configuration: Configuration, *, folder: str) -> TrialOrder:
    settings = settings_from_dict(configuration.trainer, configuration.settings)
    if _can_be_shortened(configuration):
        settings = settings.shortened(_ITERATIONS)
    short = settings_to_dict(settings)
    if "compile" in short:
        short["compile"] = False  # which takes longer than all else; the compiler is tried alone
    seed = (*study.seeds.select, *study.seeds.report)[0]
    trial = Trial(configuration=replace(configuration, settings=short), seed=seed, stage="select")
    resources, _ = local_resources(study.resources)
    order = order_of(study, trial, resources=resources, folder=folder)
    return replace(
        order,
        costly_metrics=True,
        evaluate_every=_ITERATIONS // 2,
        figures_at=(_ITERATIONS,),
    )


def _in_study(
    error: ConfigError, study: Study, configuration: Configuration, *, overrides: Sequence[str]
) -> ConfigError:
    """The error at its place in the study file, if it is about a key of it."""
    if error.key.partition(".")[0] in configuration.settings:
        error = in_file(study, configuration.variants[0], error)
    return at_place(error, study.file, overrides=overrides) if error.key else error


def _place(error: BaseException) -> str:
    """The last line of the user's own, or if there is none of all, that led to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(_OTHERS)]
    last = (own or list(frames))[-1]
    return f"{last.filename}:{last.lineno}"


@contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    """What is computed from few images is kept apart from what is computed from all."""
    before = os.environ.get(CACHE_VARIABLE)
    os.environ[CACHE_VARIABLE] = str(Path(folder) / "cache")
    try:
        yield
    finally:
        os.environ.pop(CACHE_VARIABLE, None)
        if before is not None:
            os.environ[CACHE_VARIABLE] = before
