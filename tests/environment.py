"""The environment of a process that a test starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ("STORE", "ENGINE", "WORKERS", "RAY_ADDRESS", "RAY_NODE_IP", "LLM", "LLM_DIRECTORY")
OURS = {"RAY_ADDRESS", *(f"KFBENCH_{name}" for name in NAMES)}


def environment(**more: str) -> dict[str, str]:
    """As ours, with this checkout first, and without what would leak from outside."""
    kept = {k: v for k, v in os.environ.items() if k not in OURS}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PYTHONPATH": str(ROOT), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}
