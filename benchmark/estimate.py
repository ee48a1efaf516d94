"""What a cell will take, by the finished cells that are most alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean

from benchmark.index import Seen
from benchmark.plan import Planned

Key = tuple[object, ...]


class Past:
    """Times and memory of finished cells.

    Args:
        cells: of a plan.
        done: those of them that are finished, by hash.
    """

    def __init__(self, cells: Iterable[Planned], done: Mapping[str, Seen]) -> None:
        times: defaultdict[Key, list[float]] = defaultdict(list)
        peaks: defaultdict[Key, list[float]] = defaultdict(list)
        for cell in cells:
            seen = done.get(cell.hash or "")
            for key in _alike(cell) if seen is not None else ():
                if seen is not None and seen.seconds is not None:
                    times[key].append(seen.seconds)
                if seen is not None and seen.memory is not None:
                    peaks[key].append(seen.memory)
        self._seconds = {key: fmean(values) for key, values in times.items()}
        self._memory = {key: max(values) for key, values in peaks.items()}

    def seconds(self, cell: Planned) -> float | None:
        """The mean time of the cells most alike; None without any."""
        return next((self._seconds[key] for key in _alike(cell) if key in self._seconds), None)

    def memory_mb(self, cell: Planned) -> float | None:
        """The largest peak among cells of the same variant, those most alike; None without any."""
        return next((self._memory[key] for key in _alike(cell)[:2] if key in self._memory), None)


def _alike(cell: Planned) -> list[Key]:
    """From the most alike to everything."""
    id = cell.id
    return [(id.corpus, id.variant, id.size), (id.variant, id.size), (id.corpus, id.size), (id.size,), (id.variant,), ()]


def sentences(cell: Planned, sample: int, dev: int, test: int) -> int:
    """How many sentences go through the model: an order of cells by length where none is finished yet, no time."""
    budget = cell.training.budget()
    an_epoch = math.ceil(sample / budget.batch_size)
    steps = budget.steps or an_epoch * budget.epochs
    evaluations = math.ceil(steps / (budget.evaluate_every or an_epoch))
    return 3 * steps * budget.batch_size + evaluations * dev + 2 * test  # a backward pass costs two forward ones


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Time for all on so many workers, the longest first (Graham 1969)."""
    loads = [0.0] * max(1, workers)
    for each in sorted(seconds, reverse=True):
        least = min(range(len(loads)), key=loads.__getitem__)
        loads[least] += each
    return max(loads)
