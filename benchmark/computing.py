"""Compute a cell and leave its files in a directory: the same on every machine and under every engine."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.cell import Cell, Outcome, Point, run_cell
from benchmark.nn.heap import give_back
from benchmark.provenance import machine, packages
from benchmark.result import METRICS, PREDICTIONS, dump
from benchmark.store import CHECKPOINT, LAST_PREDICTIONS, Failure


@dataclass(frozen=True)
class Measured:
    """What of `run.json` only the machine that ran the cell knows.

    Attributes:
        retried: why it was begun anew and with which budget, or None.
    """

    curve: list[Point]
    seconds: dict[str, float]
    sentences_per_second: float
    peak_memory_mb: float
    packages: dict[str, str | None]
    machine: dict[str, Any]
    retried: dict[str, Any] | None = None


def compute(cell: Cell, watch: Callable[[Point], None]) -> tuple[Outcome, Measured]:
    """Run a cell; where the GPU's memory does not suffice, once more in smaller parts."""
    try:
        return once(cell, watch)
    except Exception as error:
        if not out_of_gpu_memory(error) or smaller(cell) is cell:
            raise
    return again(cell, watch)  # no sooner: the traceback holds the model


def again(cell: Cell, watch: Callable[[Point], None]) -> tuple[Outcome, Measured]:
    """Run a cell in the smallest parts, since the GPU's memory did not suffice."""
    free()
    parts = smaller(cell)
    return once(parts, watch, {"reason": "out of GPU memory", "accumulate": parts.budget.accumulate})


def once(cell: Cell, watch: Callable[[Point], None], retried: dict[str, Any] | None = None) -> tuple[Outcome, Measured]:
    """Run a cell, whatever comes of it."""
    give_back()  # of the cell before
    outcome = run_cell(cell, watch)
    seconds = {name: round(value, 3) for name, value in outcome.seconds.items()}
    speed, peak = round(outcome.sentences_per_second, 3), round(outcome.peak_memory_mb, 1)
    return outcome, Measured(outcome.curve, seconds, speed, peak, packages(), machine(cell.device), retried)


def smaller(cell: Cell) -> Cell:
    """The same cell, a sentence a part; the gradient of a step is still that of its whole batch. Itself if there is no smaller part."""
    if cell.budget.accumulate >= cell.budget.batch_size:
        return cell
    return replace(cell, budget=replace(cell.budget, accumulate=cell.budget.batch_size))


def out_of_gpu_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def free() -> None:
    """Give back what the GPU's allocator keeps, if there is one: another cell, or another process, may need it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def leave(outcome: Outcome, directory: Path, *, checkpoint: bool) -> None:
    """Write what does not vary between two runs: metrics, predictions, and the best tagger if it is wanted."""
    texts = {METRICS: dump(outcome.metrics), PREDICTIONS: outcome.predictions["dev"], LAST_PREDICTIONS: outcome.predictions["last"]}
    for name, text in texts.items():
        (directory / name).write_bytes(text.encode("utf-8"))  # the store sees to it that they reach the disk
    if checkpoint:
        (directory / CHECKPOINT).mkdir()
        outcome.fitted.best.save(directory / CHECKPOINT)


def failure(cell: str, error: BaseException, started: float) -> Failure:
    """What is kept of a run that raised; `started` by `time.perf_counter`."""
    text = "".join(traceback.format_exception(error))
    return Failure(cell, f"{type(error).__name__}: {error}", text, now(), round(time.perf_counter() - started, 3))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
