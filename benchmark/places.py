"""Where a profile's files stand, for commands that import nothing else to start."""

from __future__ import annotations

import os
from pathlib import Path

PARAMS = Path("params.yaml")
STORE = "KFBENCH_STORE"  # where cells live, if not in the profile's .kfbench/store


def store(root: Path) -> Path:
    """The cells of the profile in `root`."""
    return Path(os.environ.get(STORE) or root / ".kfbench" / "store")
