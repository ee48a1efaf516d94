"""How far a plan is: what each cell's state is, and how long the rest will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from statistics import fmean
from typing import Literal

from benchmark.index import Index
from benchmark.plan import Plan, Planned
from benchmark.store import Store

State = Literal["done", "running", "failed", "stale", "missing"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stale", "missing")


def states(plan: Plan, store: Store) -> list[State]:
    """The state of each cell of a plan, in its order.

    `stale`: the store has this cell, but of another configuration, other data or other code; it is not reported and
    will be run again.
    """
    index = Index(store)
    done = index.whole(plan.hashes)
    others = {seen.cell for seen in index.whole(hash for hash in store.hashes() if hash not in plan.hashes).values()}
    return [_state(cell, store, done, others) for cell in plan.cells]


def _state(cell: Planned, store: Store, done: Container[str], others: Container[str]) -> State:
    if cell.hash is None:
        return "missing"
    if cell.hash in done:
        return "done"
    if store.running(cell.hash):
        return "running"
    if store.failure(cell.hash):
        return "failed"
    return "stale" if str(cell.id) in others else "missing"


def seconds_left(plan: Plan, found: Sequence[State], store: Store) -> float | None:
    """Time for all that is not done, on one worker: the mean of finished cells that are most alike; None without any."""
    rest = [cell for cell, state in zip(plan.cells, found, strict=True) if state != "done"]
    if plan.cells and not rest:
        return 0.0
    times: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
    done = Index(store).whole(plan.hashes)
    for cell in plan.cells:
        seen = done.get(cell.hash or "")
        if seen is not None and seen.seconds is not None:
            for key in _alike(cell):
                times[key].append(seen.seconds)
    if not times:
        return None
    means = {key: fmean(seconds) for key, seconds in times.items()}
    return sum(next(means[key] for key in _alike(cell) if key in means) for cell in rest)


def _alike(cell: Planned) -> list[tuple[object, ...]]:
    """From the most alike to everything."""
    id = cell.id
    return [(id.corpus, id.variant, id.size), (id.variant, id.size), (id.corpus, id.size), (id.size,), (id.variant,), ()]
