import subprocess
import sys

import pytest


@pytest.mark.slow
def test_torchvision_and_torch_fidelity_import_beside_this_torch():
    code = (
        "from introsearch.data.compat import import_torchvision; import_torchvision();"
        "import torchvision.datasets, torchvision.models, torch_fidelity; print('ok')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "ok", run.stderr
