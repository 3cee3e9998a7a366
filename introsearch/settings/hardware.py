"""Settings of how networks are computed in training, for speed. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from introsearch.settings.fields import choice


@dataclass(frozen=True, kw_only=True)
class HardwareSettings:
    """How the passes of training through encoder and decoder are computed.

    Losses, densities of priors, optimisers and all metrics stay in float32. Other values than the
    defaults change results, so they are part of a trial's identity.

    Attributes:
        precision: of the networks' products in training: ``float32`` everywhere; ``tf32`` rounds
            their factors to 10 bits, on GPUs that can and with no effect elsewhere; ``bf16`` is an
            autocast to bfloat16, on GPUs and on CPUs.
        compile: make one program of each network by torch.compile, within rounding the same;
            ``auto`` does so on a GPU where that works. On a CPU it was never found to pay.
    """

    precision: str = choice("float32", legal=("float32", "tf32", "bf16"), implied=True)
    compile: bool | str = choice(False, legal=(True, False, "auto"), implied=True)
