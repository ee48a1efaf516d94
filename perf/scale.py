#!/usr/bin/env python3
"""How the suite carries many cells: planning, the scan of a store, a report. Nothing is trained; results are made up.

    python perf/scale.py --json perf/results/scale.json

Each figure is of a process of its own; seconds are of its CPU (user and system) from the first call, imports left out;
`peak_mb` is the most memory that it held.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

from benchmark.cell import forget_peak, peak_memory_mb, to_jsonl
from benchmark.collect import collect
from benchmark.config import load_params
from benchmark.index import INDEX
from benchmark.method import Predicted
from benchmark.plan import Plan, make_plan
from benchmark.result import METRICS, PREDICTIONS, RUN, Metrics, Run, Score, dump
from benchmark.scoring import score
from benchmark.status import seconds_left, states
from benchmark.store import LAST_PREDICTIONS, Store
from benchmark.workspace import Workspace
from reports import aggregate
from reports.build import build, write
from splits.draw import materialise, write_draws
from splits.files import write_text
from splits.prepare import load, prepare
from splits.schema import Sentence

CORPORA = ("demo_zh", "demo_en", "demo_ja", "demo_ko")
METHODS = {f"cnn_ner.{i}": {"method": "cnn_ner", "params": {"depth": i}} for i in range(1, 6)}
SIZES = (10, 20, 30, 40, 50)
CURVE = 60  # evaluations of a run: the paper profile's size 250
LIMITS = {"plan": 3.0, "scan": 2.0, "report": 30.0}


def main() -> None:
    args = arguments()
    if args.measure:
        print(json.dumps(MEASURES[args.measure]()))
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or temporary
        for cells, measures in ((args.cells, ("plan", "scan")), (args.reported, ("report",))):
            profile = made(Path(folder) / str(cells), cells)
            for name in measures:
                rows += [{"what": name, "cells": cells, "run": run, **measured(name, profile)} for run in ("first", "again")]
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    for row in rows:
        row["limit"] = LIMITS[str(row["what"])]
    print(tabulate(rows, headers="keys", floatfmt=".2f", tablefmt="github"))
    if args.json:
        write_text(args.json, json.dumps({"machine": machine(), "figures": rows}, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cells", type=int, default=10_000, help="for planning and the scan; a multiple of 500")
    parser.add_argument("--reported", type=int, default=1_000, help="for the report; a multiple of 100")
    parser.add_argument("--folder", help="keep what is made up there, and use what a former run kept: to fill a store takes minutes")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--measure", choices=list(MEASURES), help=argparse.SUPPRESS)  # what a child does
    return parser.parse_args()


def made(root: Path, cells: int) -> Path:
    """A profile of so many cells, prepared, drawn, and with a result for each in its store and in results/."""
    draws, seeds = (cells // 500, 5) if cells >= 5000 else (cells // 100, 1)
    values = {
        "corpora": list(CORPORA), "variants": list(METHODS), "methods": METHODS, "sizes": list(SIZES), "draws": draws,
        "seeds": list(range(seeds)), "encoders": {corpus: {"name": "scratch"} for corpus in CORPORA},
    }  # fmt: skip
    write_text(root / "params.yaml", yaml.safe_dump(values))
    for corpus in CORPORA:
        prepare(corpus, root / "data" / corpus)
        write_draws(root / "data" / "draws" / f"{corpus}.json", materialise(load(root / "data" / corpus), SIZES, draws))
    params, workspace = load_params(root / "params.yaml"), Workspace(root)
    plan = make_plan(params, workspace)
    assert len(plan.cells) == cells, f"{cells} cells cannot be had, {len(plan.cells)} can"
    fill(plan, workspace)
    if cells <= 1000:
        collect(plan, Store(workspace.store), workspace.results, params.protocol)
    for remembered in (root / ".kfbench" / "methods.json", workspace.store / INDEX):  # the first time shall be a first time
        remembered.unlink(missing_ok=True)
    return root


@dataclass(frozen=True)
class MadeUp:
    """Predictions on a corpus's test split that find four entities of five, and their score: the same for all cells."""

    predictions: str
    score: Score

    @classmethod
    def of(cls, test: Sequence[Sentence]) -> MadeUp:
        rng = random.Random(0)
        rows = [[Predicted(*span, 0.5) for span in sorted(sentence.spans) if rng.random() < 0.8] for sentence in test]
        return cls(to_jsonl(test, rows), score(test, [{(p.start, p.end, p.label) for p in row} for row in rows]))


def fill(plan: Plan, workspace: Workspace) -> None:
    """A result of every cell, in the store's own layout."""
    store = Store(workspace.store)
    results = {corpus: MadeUp.of(workspace.data(corpus).corpus.splits["test"]) for corpus in CORPORA}
    curve = [{"step": i, "epoch": float(i), "loss": 1 / i, "dev_f1": 1 - 1 / i, "seconds": 1.0 * i} for i in range(1, CURVE + 1)]
    for cell in plan.cells:
        hash, found = str(cell.hash), results[cell.id.corpus]
        if store.path(hash).is_dir():  # of a former run
            continue
        scores = {"dev": found.score, "last": found.score}
        metrics = Metrics(cell=cell.id, hash=hash, protocol="dev", scores=scores, selected={"step": CURVE, "epoch": 60.0, "dev_f1": 0.98})
        provenance = {"config": cell.config}
        run = Run(hash=hash, curve=curve, seconds={"total": 60.0}, sentences_per_second=1.0, peak_memory_mb=1.0, provenance=provenance)
        with store.lock(hash), store.writing(hash) as directory:
            write_text(directory / METRICS, dump(metrics))
            write_text(directory / RUN, dump(run))
            for name in (PREDICTIONS, LAST_PREDICTIONS):
                write_text(directory / name, found.predictions)
            store.write_manifest(directory, hash, cell.id, cell.config)


def measured(name: str, profile: Path) -> dict[str, float]:
    """A figure, by a child in the profile's directory."""
    line = [sys.executable, str(Path(__file__).resolve()), "--measure", name]
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(line, cwd=profile, env=os.environ | {"PYTHONPATH": root}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def timed(call: Callable[[], Any]) -> dict[str, float]:
    forget_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    seconds = {"cpu_seconds": round(time.process_time() - cpu, 2), "wall_seconds": round(time.perf_counter() - wall, 2)}
    return seconds | {"peak_mb": round(peak_memory_mb("cpu"))}


def plan_cells() -> dict[str, float]:
    params = load_params("params.yaml")
    return timed(lambda: make_plan(params, Workspace()))


def scan_store() -> dict[str, float]:
    workspace = Workspace()
    plan = make_plan(load_params("params.yaml"), workspace)

    def look() -> None:
        store = Store(workspace.store)
        found = states(plan, store)
        assert set(found) == {"done"}
        seconds_left(plan, found, store)

    return timed(look)


def report_cells() -> dict[str, float]:
    params, store = load_params("params.yaml"), Workspace().store

    def render() -> None:
        found = aggregate.read_results(params, Path("results"))
        aggregate.require_all(found)
        write(build(params, found, Path("data"), store), Path("site"))

    return timed(render)


MEASURES: dict[str, Callable[[], dict[str, float]]] = {"plan": plan_cells, "scan": scan_store, "report": report_cells}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    from benchmark.provenance import machine as described

    return {**described("cpu"), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "torch": version("torch")}


if __name__ == "__main__":
    main()
