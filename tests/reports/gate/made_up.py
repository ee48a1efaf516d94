"""Profiles of chosen counts: what a gate sees, without a cell that ran."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.config import Encoder, Params, Training, Variant
from benchmark.plan import Planned
from benchmark.result import CellId, Counts, Metrics, Score
from benchmark.scoring import totals
from reports.gate.current import Done, Now, Profile, result_of
from reports.gate.settings import settings_of

Rows = Sequence[tuple[int, int, int]]
MACHINE = {"arithmetic": {"processor": "this one"}, "packages": {"torch": "1"}}
NONE = Counts(tp=0, pred=0, gold=0)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def profile(runs: Mapping[tuple[int, int], Rows], *, machine: Mapping[str, Any] | None = None, code: str = "", **settings: Any) -> Profile:
    """One block, `demo/m/10`, of runs by (draw, seed), each the counts of its sentences."""
    params = Params(
        corpora=["demo"],
        variants=["m"],
        methods={"m": Variant(method="m")},
        sizes=[10],
        draws=1 + max(draw for draw, _ in runs),
        encoders={"demo": Encoder(name="scratch")},
    )
    cells = {}
    for (draw, seed), rows in runs.items():
        id = CellId(corpus="demo", variant="m", size=10, draw=draw, seed=seed)
        cells[id] = _now(id, rows, machine, code, settings)
    return Profile(params, cells)


def _now(id: CellId, rows: Rows, machine: Mapping[str, Any] | None, code: str, settings: Mapping[str, Any]) -> Now:
    config = {
        "method": {"name": "m", "params": {"size": 1}},
        "training": {"epochs": 1},
        "dev_size": None,
        "encoder": {"name": "scratch"},
        "data": {"test": sha("test"), "sample": sha(f"sample {id.draw}")},
        "code": code,
    } | settings
    score = Score(micro=totals(rows), types={}, boundary=NONE, unseen=NONE, no_overlap=NONE, sentences=list(rows))
    metrics = Metrics(cell=id, hash=sha(f"{id} {code}"), protocol="dev", scores={"dev": score}, selected={})
    planned = Planned(id, metrics.hash, config, Training())
    done = Done(metrics, result_of(metrics), sha(f"predictions {rows}"), machine=machine, commit="c" * 40, dirty=False)
    return Now(planned, settings_of(planned), done)
