"""Thousands of small cells in one process: memory and open files stay where they were.

    python -m tests.faults.soak --cells 1000
    python -m tests.faults.soak --cells 100 --method bert_crf

A line every tenth of the way; exit status 1 where, after the first fifth, memory grows by more than --bound kilobytes a cell or a
file stays open. What counts is the floor: the least of the last third of the readings over the least of the first.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmark.config import load_params
from benchmark.engine import Serial
from benchmark.plan import make_plan
from benchmark.store import Store
from benchmark.worker import Worker
from benchmark.workspace import Workspace
from splits.draw import materialise, write_draws
from splits.prepare import load, prepare
from tests.benchmark.conftest import DICTIONARY, Silent
from tests.environment import ROOT

BOUND = 10.0  # KB a cell
WARM_UP = 5  # a part of the cells is not counted: one of so many
READINGS = 50
NEURAL = {
    "bert_crf": {"method": "bert_crf", "params": {"encoder_lr": 0.001}},
    "knowfree": {"method": "knowfree", "params": {"encoder_lr": 0.001, "size": 40}},
}


@dataclass(frozen=True)
class Reading:
    """After so many cells: resident memory in KB, and open files."""

    cells: int
    memory: int
    files: int


class Looking(Silent):
    """A watch that looks at its own process now and then."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.every, self.ran = max(1, cells // READINGS), 0
        self.readings: list[Reading] = []

    def point(self, cell: object, point: object) -> None: ...

    def ended(self, cell: object, how: str) -> None:
        assert how == "ran", f"{cell} {how}"
        self.ran += 1
        if self.ran % self.every == 0:
            gc.collect()
            lines = Path("/proc/self/status").read_text().splitlines()
            memory = int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])
            reading = Reading(self.ran, memory, sum(1 for _ in Path("/proc/self/fd").iterdir()))
            self.readings.append(reading)
            if len(self.readings) % (READINGS // 10) == 0:
                print(f"{reading.cells:6} cells  {reading.memory / 1024:8.1f} MB  {reading.files} open files", flush=True)


def soak(root: Path, cells: int, method: str = "dictionary") -> list[Reading]:
    """Run so many cells of one method in this process; readings along the way."""
    prepare("demo_zh", root / "data" / "demo_zh")
    write_draws(root / "data" / "draws" / "demo_zh.json", materialise(load(root / "data" / "demo_zh"), [10], 1))
    values = {
        "code": str(ROOT),
        "corpora": ["demo_zh"],
        "variants": ["soaked"],
        "sizes": [10],
        "draws": 1,
        "seeds": list(range(cells)),
        "methods": {"soaked": NEURAL.get(method) or {"method": DICTIONARY}},
        "encoders": {"demo_zh": {"name": "scratch", "layers": 1, "hidden": 16, "heads": 2}},
        "training": {"epochs": 1},
        "protocol": {"dev_size": 10},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    params, workspace = load_params(root / "params.yaml"), Workspace(root)
    watch = Looking(cells)
    Serial().run(make_plan(params, workspace).cells, Worker(params, workspace, Store(workspace.store)), watch)
    return watch.readings


def growth(readings: list[Reading]) -> float:
    """KB a cell after the warm-up: an allocator's ups and downs have no say in it, a leak lifts the floor."""
    counted = [r for r in readings if r.cells > readings[-1].cells / WARM_UP]
    third = len(counted) // 3
    first, last = (min(part, key=lambda r: r.memory) for part in (counted[:third], counted[-third:]))
    return (last.memory - first.memory) / (last.cells - first.cells)


def opened(readings: list[Reading]) -> int:
    """Files that were opened after the warm-up and are open still."""
    counted = [r for r in readings if r.cells > readings[-1].cells / WARM_UP]
    return counted[-1].files - counted[0].files


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--method", choices=("dictionary", *NEURAL), default="dictionary")
    parser.add_argument("--bound", type=float, default=BOUND, help="KB a cell")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        readings = soak(Path(folder), asked.cells, asked.method)
    grows, files = growth(readings), opened(readings)
    print(f"after the first fifth: {grows:+.2f} KB a cell, {files:+} open files")
    raise SystemExit(grows > asked.bound or files > 0)


if __name__ == "__main__":
    main()
