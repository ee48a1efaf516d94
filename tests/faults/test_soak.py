"""Many cells in one process, and that growth would be seen. `python -m tests.faults.soak` is the long form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import ROOT, environment
from tests.faults.soak import Reading, growth, opened

linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads memory and open files from /proc")


@linux
def test_a_hundred_cells_leave_memory_and_files_where_they_were() -> None:
    """In a process of its own. The bound is wide: few cells do not tell a slow leak from what an allocator keeps."""
    line = [sys.executable, "-m", "tests.faults.soak", "--cells", "100", "--bound", "100"]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 cells" in done.stdout


def test_a_leak_is_told_from_a_jump_and_from_noise() -> None:
    leak = [Reading(i, 1000 + 30 * i, 9) for i in range(1, 101)]
    assert growth(leak) == pytest.approx(30)
    jump = [Reading(i, 1000 + 5000 * (i > 10), 9 + (i > 10)) for i in range(1, 101)]
    assert growth(jump) == pytest.approx(0)
    assert opened(jump) == 0, "in the warm-up"
    noise = [Reading(i, 1000 + 700 * (i * i % 7), 9) for i in range(1, 101)]
    assert growth(noise) == pytest.approx(0)
    assert opened([Reading(i, 1000, i) for i in range(1, 101)]) == 79
