"""After a run of all cells elsewhere, the pipeline has nothing left to train."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmark.result import METRICS
from tests.benchmark.test_pipeline import checkout, repro
from tests.environment import environment

CORPUS, VARIANTS = "demo_zh", ("bert_crf", "knowfree")
TRAIN = {f"train@{CORPUS}-{variant}" for variant in VARIANTS}


def test_dvc_repro_only_records_what_ray_has_run(tmp_path: Path) -> None:
    root = checkout(tmp_path / "copy")
    micro = root / "tests" / "micro"
    store = micro / ".kfbench" / "store"
    assert not TRAIN & repro(root, "fuse")
    assert not store.exists()
    env = environment(PYTHONPATH=str(root), KFBENCH_ENGINE="ray", KFBENCH_WORKERS="2")
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", "run", "--all"]
    done = subprocess.run(command, cwd=micro, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "2 run, 0 done before, 0 failed" in done.stderr
    assert not (micro / "results").exists()

    cells = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in store.glob("*/*") if path.is_file()}
    assert repro(root) >= TRAIN
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in store.glob("*/*") if path.is_file()} == cells
    measured = {path.read_bytes() for path in store.glob(f"*/{METRICS}")}
    assert {path.read_bytes() for path in (micro / "results").rglob(METRICS)} == measured
    assert len(measured) == len(VARIANTS)
    assert not repro(root), "and then it rests"
