#!/usr/bin/env python3
"""What engines take beside their cells: cells that only sleep, against the time that nobody can beat.

    python perf/engines.py --json perf/results/engines.json

Each figure is of a process of its own. `ideal` is the sleep, shared by the workers; `between` is from the first cell's start to the
last one's end, `whole` from the call to its return, with the start and the end of processes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

from benchmark.cell import Point
from benchmark.config import load_params
from benchmark.engine import engine
from benchmark.local import ENGINE, WORKERS
from benchmark.plan import Planned, make_plan
from benchmark.store import Store
from benchmark.worker import Ended, Worker
from benchmark.workspace import Workspace
from splits.draw import materialise, write_draws
from splits.files import write_text
from splits.prepare import load, prepare

SOURCE, CORPUS = "demo_zh", "few"
ENGINES = ("serial", "processes", "ray")
SENTENCES = 20  # of a split
LIMIT = 1.3  # of the ideal, for cells that sleep, on ray


def main() -> None:
    args = arguments()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in dict.fromkeys((args.seconds, 0.0)):
            for name in args.engine or ENGINES:
                profile = made(Path(folder) / f"{name}-{seconds}", args.cells, seconds)
                workers = 1 if name == "serial" else args.workers
                found = measured(name, profile, workers)
                rows.append(figures(name, workers, args.cells, seconds, found))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(tabulate(rows, headers="keys", floatfmt=".2f", tablefmt="github"))
    if args.json:
        from perf.scale import machine

        write_text(args.json, json.dumps({"machine": machine(), "limit": LIMIT, "figures": rows}, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.5, help="that a cell sleeps; then again without")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="only this one; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--measure", choices=ENGINES, help=argparse.SUPPRESS)  # what a child does
    return parser.parse_args()


def figures(name: str, workers: int, cells: int, seconds: float, found: dict[str, float]) -> dict[str, Any]:
    """A row: times, their ratio to the ideal, and what a cell costs beside its sleep."""
    ideal = cells * seconds / workers
    ratio = {f"{key}/ideal": round(found[key] / ideal, 3) if ideal else None for key in ("between", "whole")}
    a_cell = round(1000 * (found["between"] - ideal) / cells, 1)
    return {"engine": name, "workers": workers, "cells": cells, "seconds": seconds, "ideal": ideal, **found, **ratio, "ms_a_cell": a_cell}


def made(root: Path, cells: int, seconds: float) -> Path:
    """A profile of so many cells: one corpus, one small draw, a seed a cell; next to nothing to score."""
    values = {
        "code": str(Path(__file__).resolve().parents[1]),
        "corpora": [CORPUS],
        "variants": ["idle"],
        "methods": {"idle": {"method": f"{Path(__file__).with_name('idle.py').resolve()}:Idle", "params": {"seconds": seconds}}},
        "sizes": [10],
        "draws": 1,
        "seeds": list(range(cells)),
        "encoders": {CORPUS: {"name": "scratch"}},
        "protocol": {"dev_size": 1},
    }
    prepare(SOURCE, root / "raw")
    for split in ("train", "dev", "test"):
        lines = (root / "raw" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (root / f"{split}.jsonl").write_text("".join(lines[:SENTENCES]), encoding="utf-8")
    shutil.copy(root / "raw" / "labels.txt", root)
    names = {name: f"{name}.jsonl" for name in ("train", "dev", "test")} | {"labels": "labels.txt"}
    (root / "present.json").write_text(json.dumps({CORPUS: names}), encoding="utf-8")
    prepare(CORPUS, root / "data" / CORPUS, listed=root / "present.json")
    write_draws(root / "data" / "draws" / f"{CORPUS}.json", materialise(load(root / "data" / CORPUS), [10], 1))
    (root / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return root


def measured(name: str, profile: Path, workers: int) -> dict[str, float]:
    """Times of an engine, by a child in the profile's directory."""
    root = str(Path(__file__).resolve().parents[1])
    env = os.environ | {"PYTHONPATH": root, ENGINE: name, WORKERS: str(workers)}
    line = [sys.executable, str(Path(__file__).resolve()), "--measure", name]
    done = subprocess.run(line, cwd=profile, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class Clock:
    """When the first cell started, and when the last one ended."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0

    def started(self, cell: Planned) -> None:
        self.first = self.first or time.perf_counter()

    def ended(self, cell: Planned, how: Ended) -> None:
        assert how == "ran", how
        self.last = time.perf_counter()

    def point(self, cell: Planned, point: Point) -> None: ...
    def waiting(self, cell: Planned) -> None: ...


def measure(name: str) -> dict[str, float]:
    params, workspace = load_params("params.yaml"), Workspace()
    plan = make_plan(params, workspace)
    clock, begun = Clock(), time.perf_counter()
    report = engine().run(plan.cells, Worker(params, workspace, Store(workspace.store)), clock)
    whole = time.perf_counter() - begun
    assert report.count("ran") == len(plan.cells)
    return {"between": round(clock.last - (clock.first or 0.0), 2), "whole": round(whole, 2)}


if __name__ == "__main__":
    main()
