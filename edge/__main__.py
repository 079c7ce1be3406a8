"""``python -m edge`` is ``edge-vitals``."""

import sys

from edge.cli import main

sys.exit(main())
