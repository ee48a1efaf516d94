"""Work that waits for memory, done beside work that computes: one core alone moves weights nearly as fast as all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from benchmark.nn.lanes import side_by_side


@dataclass(frozen=True, slots=True)
class Job:
    """Something that one core can do by itself, in any order with others.

    Attributes:
        cost: about how long it takes, in multiplications of a product in bf16.
    """

    cost: int
    run: Callable[[], None]


# of this thread: another one that trains has its own
_offer: ContextVar[list[Job] | None] = ContextVar("_offer", default=None)


@contextmanager
def offered(jobs: list[Job]) -> Iterator[None]:
    """Until the block ends, whoever computes may take from the list what stands there, and do it."""
    before = _offer.set(jobs)
    try:
        yield
    finally:
        _offer.reset(before)


def done_beside(own: Sequence[Job]) -> None:
    """Do one's own jobs: with what is offered, if anything, each on the next free core; else one after the other, each on all cores.

    What comes first is chance, so no job may depend on another.
    """
    offer = _offer.get()
    if not offer:
        for job in own:
            job.run()
        return
    # the longest first: at the end there are short ones left to fill up the cores
    waiting = deque(sorted([*own, *offer], key=lambda job: -job.cost))
    offer.clear()

    def run() -> None:
        while True:
            try:
                job = waiting.popleft()
            except IndexError:
                return
            job.run()

    side_by_side([run] * min(torch.get_num_threads(), len(waiting)))
