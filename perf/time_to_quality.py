"""How long until a method is nearly as good as it gets: time and epochs to 90 % of the best dev F1, from cells that are done.

Run in a profile's folder: `python ../time_to_quality.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from tabulate import tabulate

from benchmark.config import load_params
from benchmark.places import PARAMS
from benchmark.plan import make_plan
from benchmark.store import Store
from benchmark.workspace import Workspace

SHARE = 0.9


def reached(curve: Sequence[dict[str, Any]], share: float = SHARE) -> dict[str, Any] | None:
    """The first point of a learning curve with that share of its best dev F1; None where it never rose above 0."""
    best = max((point["dev_f1"] for point in curve), default=0.0)
    return next((point for point in curve if best > 0 and point["dev_f1"] >= share * best), None)


def pace(curve: Sequence[dict[str, Any]]) -> float:
    """Seconds from one point to the next, evaluation included: the median, which a minute that the machine was busy does not move."""
    if len(curve) < 2:
        return float(curve[0]["seconds"]) if curve else 0.0
    return median([float(later["seconds"]) - float(earlier["seconds"]) for earlier, later in pairwise(curve)])


def main() -> None:
    """Print a row a cell that is done."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params, workspace = load_params(PARAMS), Workspace()
    store = Store(workspace.store)
    rows = []
    for cell in make_plan(params, workspace).cells:
        if cell.hash is None or not store.done(cell.hash):
            continue
        run, metrics = store.run(cell.hash), store.metrics(cell.hash)
        first, between = reached(run.curve), pace(run.curve)
        best = max(point["dev_f1"] for point in run.curve)
        scores = [100 * metrics.scores[name].micro.f1 for name in ("dev", "last")]
        when = (first["epoch"], between * (run.curve.index(first) + 1)) if first else (None, None)
        rows.append((cell.id.corpus, cell.id.variant, 100 * best, *when, between * len(run.curve), *scores, run.peak_memory_mb))
    names = [
        "corpus",
        "variant",
        "best dev F1",
        "epochs to 90 %",
        "seconds to 90 %",
        "seconds in all",
        "test F1",
        "test F1 (last)",
        "peak MB",
    ]
    print(tabulate(rows, names, tablefmt="github", floatfmt=".1f", missingval="never"))


if __name__ == "__main__":
    main()
