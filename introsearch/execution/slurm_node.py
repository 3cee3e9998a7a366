"""Where `node` was before version 0.2: supervisors of running jobs start it by this name.

To be removed in the release after that.
"""

from __future__ import annotations

import sys

from introsearch.errors import ClusterError
from introsearch.execution.slurm.job.node import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except ClusterError as error:
        sys.exit(f"error: {error}")
