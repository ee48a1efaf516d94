"""How far a plan is: what each cell's state is, and how long the rest will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Literal

from benchmark.plan import Plan, Planned
from benchmark.store import Store
from splits.errors import KfbenchError

State = Literal["done", "running", "failed", "stale", "missing"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stale", "missing")


def states(plan: Plan, store: Store) -> list[State]:
    """The state of each cell of a plan, in its order.

    `stale`: the store has this cell, but of another configuration, other data or other code; it is not reported and
    will be run again.
    """
    others = {str(id) for hash, id in store.cells().items() if hash not in plan.hashes}
    return [_state(cell, store, others) for cell in plan.cells]


def _state(cell: Planned, store: Store, others: set[str]) -> State:
    if cell.hash is None:
        return "missing"
    if store.done(cell.hash):
        return "done"
    if store.running(cell.hash):
        return "running"
    if store.failure(cell.hash):
        return "failed"
    return "stale" if str(cell.id) in others else "missing"


def seconds_left(plan: Plan, found: Sequence[State], store: Store) -> float | None:
    """Time for all that is not done, on one worker: the mean of finished cells that are most alike; None without any."""
    times: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
    for cell, state in zip(plan.cells, found, strict=True):
        if state == "done" and cell.hash:
            try:
                seconds = store.run(cell.hash).seconds["total"]
            except (KfbenchError, KeyError):
                continue
            for key in _alike(cell):
                times[key].append(seconds)
    if not times:
        return None
    rest = [cell for cell, state in zip(plan.cells, found, strict=True) if state != "done"]
    return sum(mean(next(times[key] for key in _alike(cell) if key in times)) for cell in rest)


def _alike(cell: Planned) -> list[tuple[object, ...]]:
    """From the most alike to everything."""
    id = cell.id
    return [(id.corpus, id.variant, id.size), (id.variant, id.size), (id.corpus, id.size), (id.size,), (id.variant,), ()]
