"""What differs between two runs of a cell: its `run.json`, as far as this machine's store has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark.result import Run, load_run
from reports.aggregate import Results
from splits.errors import KfbenchError

Runs = Mapping[str, Run]  # by the cell's hash


def read_runs(results: Results, store: Path) -> Runs:
    """The runs of the reported cells.

    `results/` travels without run.json, so a machine that did not train has none of them: that is no error.
    """
    runs = {}
    for hash in dict.fromkeys(row.hash for row in results.rows):
        try:
            runs[hash] = load_run(store / hash)
        except KfbenchError:
            continue
    return runs
