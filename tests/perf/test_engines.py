"""The measure of engines, on a handful of cells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import perf
from perf.engines import figures
from tests.environment import environment


def test_it_measures_engines_and_says_what_a_cell_costs(tmp_path: Path) -> None:
    script, out = Path(perf.__file__).with_name("engines.py"), tmp_path / "engines.json"
    line = [sys.executable, str(script), "--cells", "3", "--seconds", "0", "--engine", "serial", "--engine", "ray", "--json", str(out)]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["figures"]
    assert [(row["engine"], row["seconds"]) for row in rows] == [("serial", 0.0), ("ray", 0.0)]
    assert all(row["whole"] >= row["between"] > 0 for row in rows)
    assert all(row["ms_a_cell"] > 0 for row in rows)


def test_the_ideal_is_the_sleep_shared_by_the_workers() -> None:
    row = figures("ray", 2, 200, 0.25, {"between": 30.0, "whole": 40.0})
    assert (row["ideal"], row["between/ideal"], row["whole/ideal"], row["ms_a_cell"]) == (25.0, 1.2, 1.6, 25.0)
    assert figures("ray", 2, 200, 0.0, {"between": 2.0, "whole": 9.0})["between/ideal"] is None
