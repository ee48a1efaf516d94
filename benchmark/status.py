"""How far a plan is: what each cell's state is, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Literal

from benchmark.estimate import Past, makespan
from benchmark.index import Index
from benchmark.plan import Plan, Planned
from benchmark.store import Store

State = Literal["done", "running", "failed", "stale", "missing"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stale", "missing")


def states(plan: Plan, store: Store) -> list[State]:
    """The state of each cell of a plan, in its order.

    `stale`: the store has this cell, but of another configuration, other data or other code; it is not reported and
    will be run again.

    Raises:
        NewerError: a later version of this code wrote a cell of the plan.
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
    store.refuse_newer(cell.hash)
    if store.running(cell.hash):
        return "running"
    if store.failure(cell.hash):
        return "failed"
    return "stale" if str(cell.id) in others else "missing"


def seconds_left(plan: Plan, found: Sequence[State], store: Store, workers: int = 1) -> float | None:
    """Time for all that is not done: the mean of finished cells that are most alike; None without any."""
    rest = [cell for cell, state in zip(plan.cells, found, strict=True) if state != "done"]
    if plan.cells and not rest:
        return 0.0
    past = Past(plan.cells, Index(store).whole(plan.hashes))
    times = [seconds for cell in rest if (seconds := past.seconds(cell)) is not None]
    return makespan(times, workers) if times else None
