"""Cells on their way: which waits for which, and which goes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmark.cluster.resources import Needs
from benchmark.estimate import Past, sentences
from benchmark.index import Index
from benchmark.plan import Planned
from benchmark.worker import Ended, Worker, hash_of


@dataclass(eq=False)
class Job:
    """A cell on its way.

    Attributes:
        worker: the run's; of a cell that another one starts from, it keeps the checkpoint.
        shown: it was asked for; otherwise another one only starts from it.
        length: what decides the order: estimated seconds, or sentences where nothing is finished yet.
        above: the job that it waits for.
        lock: held from before it is submitted until it is stored.
        look: when to look again at a cell that another process holds, by `time.monotonic`; None: nobody does.
        begun: how often it was submitted; small: in the smallest parts, since the GPU's memory did not suffice.
        told: the watch knows that it has started.
        points: so many of its learning curve the watch knows.
    """

    cell: Planned
    hash: str
    worker: Worker
    shown: bool
    length: float
    needs: Needs
    above: Job | None = None
    lock: ExitStack | None = None
    look: float | None = None
    begun: int = 0
    small: bool = False
    told: bool = False
    points: int = 0
    how: Ended | None = None

    @property
    def waits(self) -> bool:
        """Whether the cell that it starts from is not there yet."""
        return self.above is not None and self.above.how is None


class Jobs:
    """All jobs of a run.

    Args:
        cells: those that were asked for and are not done.
        measure: what a cell takes of a node, by what finished cells like it took.
    """

    def __init__(self, cells: Sequence[Planned], worker: Worker, measure: Callable[[Planned, Past], Needs]) -> None:
        self.worker, self.measure = worker, measure
        self.past = Past(cells, Index(worker.store).whole(hash_of(cell) for cell in cells))
        self.by_hash: dict[str, Job] = {}
        for cell in cells:
            self._add(cell, shown=True)
        for job in list(self.by_hash.values()):
            self._link(job)
        self.below = Counter(job.cell.upstream.hash for job in self.by_hash.values() if job.cell.upstream)
        self.left = len(self.by_hash)
        self.ready = sorted(self.by_hash.values(), key=lambda job: job.length)  # the next is the last

    def _add(self, cell: Planned, *, shown: bool) -> Job:
        job = Job(cell, hash_of(cell), self.worker, shown, self._length(cell), self.measure(cell, self.past))
        self.by_hash[job.hash] = job
        return job

    def _length(self, cell: Planned) -> float:
        seconds = self.past.seconds(cell)
        if seconds is not None:
            return seconds
        data, id = self.worker.workspace.data(cell.id.corpus), cell.id
        dev, test = (len(data.corpus.splits[name]) for name in ("dev", "test"))
        return float(sentences(cell, len(data.draws.get(id.size, id.draw).sample), dev, test))

    def _link(self, job: Job) -> None:
        """Let a cell wait for the one that it starts from, which runs too if its checkpoint is not there."""
        cell = job.cell.upstream
        if cell is None:
            return
        above = self.by_hash.get(hash_of(cell))
        if above is None:
            if self.worker.store.whole_checkpoint(hash_of(cell)) is not None:
                return
            above = self._add(cell, shown=False)
            above.worker = replace(self.worker, force=False)
            self._link(above)
        above.worker = replace(above.worker, checkpoints=True)
        above.length += job.length  # the sooner it is done, the sooner can what follows begin
        job.above = above

    def end(self, job: Job, how: Ended) -> bool:
        """Note how a job ended; True where no other job starts from what it started from."""
        job.how = how
        self.left -= 1
        if job.cell.upstream is None:
            return False
        self.below[job.cell.upstream.hash] -= 1
        return self.below[job.cell.upstream.hash] == 0
