"""So that `python -m infra.cli` is the same as `watchkeeper`."""

import sys

from infra.cli import main

sys.exit(main())
