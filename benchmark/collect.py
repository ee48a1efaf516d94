"""From the store to `results/`: exactly the plan's cells, as DVC tracks them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmark.config import Protocol
from benchmark.plan import Plan
from benchmark.result import METRICS, NOT_APPLICABLE, PREDICTIONS, dump
from benchmark.store import LAST_PREDICTIONS, Store
from splits.files import new_folder, write_text


def collect(plan: Plan, store: Store, results: Path, protocol: Protocol) -> int:
    """Write `<corpus>/<variant>/` of every pair of the plan anew and return how many cells are in.

    What stood there is replaced as a whole, so that a stale cell cannot stay. Cells that are not done are left out.
    """
    count = 0
    for corpus, variant in plan.pairs:
        target = results / corpus / variant
        if target.is_symlink() or target.is_file():
            target.unlink()
        with new_folder(target) as fresh:
            for pair in plan.not_applicable:
                if (pair.corpus, pair.variant) == (corpus, variant):
                    write_text(fresh / NOT_APPLICABLE, json.dumps({"reason": pair.reason}, ensure_ascii=False) + "\n")
            for cell in plan.cells:
                if (cell.id.corpus, cell.id.variant) == (corpus, variant) and cell.hash and store.done(cell.hash):
                    _copy(store, cell.hash, fresh / str(cell.id.size) / f"{cell.id.draw}-{cell.id.seed}", protocol)
                    count += 1
    return count


def _copy(store: Store, hash: str, target: Path, protocol: Protocol) -> None:
    """The cell as the profile's protocol shows it: the store keeps both."""
    shown = store.metrics(hash).model_copy(update={"shown": protocol.select, "protocol": protocol.name})
    write_text(target / METRICS, dump(shown))
    source = LAST_PREDICTIONS if protocol.select == "last" else PREDICTIONS
    shutil.copyfile(store.path(hash) / source, target / PREDICTIONS)
