"""`python -m introsearch`."""

import sys

from introsearch.cli import main

sys.exit(main())
