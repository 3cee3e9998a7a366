"""torch-fidelity, which is imported when something of it is first computed."""

from __future__ import annotations

import importlib
from types import ModuleType

from introsearch.data.compat import import_torchvision


def import_fidelity() -> ModuleType:
    """Import torch_fidelity, behind a torchvision that can be imported.

    It takes seconds, which trials on points do not spend.

    Raises:
        ImportError: torchvision or torch_fidelity cannot be imported.
    """
    import_torchvision()
    return importlib.import_module("torch_fidelity")
