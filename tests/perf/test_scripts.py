"""Scripts that are run in a profile's folder, where the checkout's root is on no path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import perf

FOLDER = Path(perf.__file__).parent


@pytest.mark.parametrize("name", ["agreement", "engines", "estimate", "scale", "time_to_quality"])
def test_it_starts_in_another_folder(name, tmp_path):
    line = [sys.executable, str(FOLDER / f"{name}.py"), "--help"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()
