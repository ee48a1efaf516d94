"""The environment of a process that a test starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = {f"KFBENCH_{name}" for name in ("STORE", "ENGINE", "WORKERS", "LLM", "LLM_DIRECTORY")}


def environment(**more: str) -> dict[str, str]:
    """As ours, with this checkout first, and without what would leak from outside."""
    kept = {k: v for k, v in os.environ.items() if k not in OURS}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PYTHONPATH": str(ROOT), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}
