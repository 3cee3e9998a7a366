"""torch.compile for training: whether it works here, and so that runs stay reproducible."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._functorch import config as functorch_config

from introsearch.data.folder import cache_folder
from introsearch.errors import ConfigError

CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"

F = TypeVar("F", bound=Callable[..., Any])


def is_wanted(compile: bool | str, device: torch.device) -> bool:
    """Whether networks are to be compiled on `device`.

    Args:
        compile: the setting: True, False or ``auto``.
        device: where networks are trained.

    Raises:
        ConfigError: the setting is True, and compiling does not work here.
    """
    if compile == "auto":
        return device.type == "cuda" and not compiler_fault(device.type)
    if compile is True:
        check_compiler(device.type)
    return compile is True


def check_compiler(device: str = "cpu") -> None:
    """Refuse a setting that cannot be met, before anything is trained.

    Raises:
        ConfigError: nothing can be compiled here; says why.
    """
    if fault := compiler_fault(device):
        raise ConfigError(
            f"true, but torch.compile does not work here: {fault}",
            key="compile",
            hint="install a C++ compiler (g++, or name one in CXX) and Python's headers, or set "
            "compile: auto or false",
        )


@functools.cache
def compiler_fault(device: str) -> str:
    """Why nothing can be compiled for a kind of device; empty if it can. Tried, not guessed."""
    try:
        _compile(_sample_program)(torch.zeros(2, device=device))
    except Exception as error:  # torch raises many kinds
        return str(getattr(error, "inner_exception", error)).strip().splitlines()[0]
    return ""


def _sample_program(x: Tensor) -> Tensor:
    return x.sigmoid() + 1


def compiled(net: nn.Module) -> nn.Module:
    """The network with its passes compiled, sharing its parameters.

    What was compiled before in this process is forgotten (the cache on disk has it): torch keeps a
    few versions only, and how many are left must not depend on what trained here before.
    """
    torch.compiler.reset()
    return _compile(net)


def _compile(function: F) -> F:
    _keep_on_disk()
    # A graph serves the backward passes of two players. With donated buffers, on by default since
    # pytorch/pytorch#139669, torch refuses the second one; as of torch 2.13 only this private
    # module turns them off, and torch's own message names it.
    functorch_config.donated_buffer = False
    # Shapes are few and fixed. Were they generalised, results would depend on their order.
    return torch.compile(function, fullgraph=True, dynamic=False)  # type: ignore[return-value]


def _keep_on_disk() -> None:
    """Share what is compiled between trials, and between machines of one kind.

    A folder that the user names in torch's own variable stays; torch writes its default there, as
    soon as a process has an optimiser.
    """
    # Private, as of torch 2.13: nothing public tells the default from a folder that the user named
    # (pytorch/pytorch#121122 is about where it lies). Imported here: it takes the whole compiler
    # along.
    from torch._inductor.runtime.runtime_utils import default_cache_dir  # type: ignore[attr-defined]

    if os.environ.get(CACHE_VARIABLE) in (None, default_cache_dir()):
        folder = cache_folder() / "compiled" / _kind_of_machine()
        os.environ[CACHE_VARIABLE] = str(folder)
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no pool of processes per trial


def _kind_of_machine() -> str:
    """What programs are made for: torch, and the instructions that the processor has."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    instructions = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    described = f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()} {instructions}"
    return hashlib.sha256(described.encode()).hexdigest()[:12]
