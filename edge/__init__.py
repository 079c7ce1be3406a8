"""edge-vitals: real-time cardiac monitoring at the bedside. Start reading at ``edge.types``."""

import os

__version__ = "0.1.0"

# Small matrices on many threads cost more than they save, and lanes have threads of their own. Read by the libraries
# when numpy is first imported, hence here.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
