"""Settings of how networks are computed in training, for speed. No torch."""

from typing import Annotated, Literal

from pydantic import Field

from introsearch.settings.base import TrainerSettings
from introsearch.settings.model import IMPLIED


class HardwareSettings(TrainerSettings):
    """How the passes of training through encoder and decoder are computed.

    Losses, densities of priors, optimisers and all metrics stay in float32. Other values than the
    defaults change results, so they are part of a trial's identity.
    """

    precision: Annotated[Literal["float32", "tf32", "bf16"], IMPLIED] = Field(
        "float32",
        description="of the networks' products in training: float32 everywhere; tf32 rounds their "
        "factors to 10 bits, on GPUs that can and with no effect elsewhere; bf16 is an autocast "
        "to bfloat16, on GPUs and on CPUs",
    )
    compile: Annotated[bool | Literal["auto"], IMPLIED] = Field(
        False,
        description="make one program of each network by torch.compile, within rounding the same; "
        "auto does so on a GPU where that works. On a CPU it was never found to pay",
    )
