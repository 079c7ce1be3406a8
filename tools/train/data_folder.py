"""Where the real recordings lie: at EDGE_VITALS_DATA, or beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("EDGE_VITALS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
