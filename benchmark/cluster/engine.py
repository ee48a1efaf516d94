"""The engine `ray`: the driver plans, holds locks and writes the store; nodes compute."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmark.cell import Point
from benchmark.cluster import task
from benchmark.cluster.cache import clear
from benchmark.cluster.jobs import Job, Jobs
from benchmark.cluster.orders import Orders
from benchmark.cluster.parcel import Sender, write
from benchmark.cluster.resources import Largest, Needs, alone, memory_mb, more_memory, needs
from benchmark.cluster.session import Session, session
from benchmark.computing import failure
from benchmark.engine import Report, Watch
from benchmark.estimate import Past
from benchmark.local import Local
from benchmark.plan import Planned
from benchmark.provenance import commit
from benchmark.store import Busy
from benchmark.worker import Ended, Worker, hash_of, upstream_failed
from splits.errors import KfbenchError, WriteError

TICK = 0.2  # seconds that the driver waits for a task to end, before it looks at anything else
AGAIN = 2.0  # seconds between two looks at the nodes, and at a cell that another process holds
AHEAD = 2  # cells submitted for each that can run: no core waits for the driver
MOST = 512  # cells submitted: the lock of each is an open file
FAREWELL = 10.0  # seconds that nodes have to remove what they were sent


@dataclass(frozen=True)
class Ray:
    """Cells as tasks of a Ray that is started for the run, or of a cluster.

    Attributes:
        foreign: treat every node as if it had none of the driver's files.
    """

    where: Local
    foreign: bool = False

    def run(self, cells: Sequence[Planned], worker: Worker, watch: Watch) -> Report:
        report = Report()
        worker.store.clean()
        waiting = []
        for cell in cells:  # what is done needs no Ray, whose start takes seconds
            if worker.kept(cell):
                watch.started(cell)
                report.ended.append((cell, "kept"))
                watch.ended(cell, "kept")
            else:
                hash_of(cell)  # which raises where something is lacking: before anything is begun
                waiting.append(cell)
        if waiting:
            try:
                with session(self.where) as found:
                    Driver(found, self.where, replace(worker, git=commit()), watch, report, foreign=self.foreign).run(waiting)
            except KeyboardInterrupt:
                report.interrupted = True
        return report


class Driver:
    """What runs when, for the time of a run."""

    def __init__(self, found: Session, where: Local, worker: Worker, watch: Watch, report: Report, *, foreign: bool) -> None:
        self.ray, self.where, self.worker, self.watch, self.report = found.ray, where, worker, watch, report
        self.nodes: list[Mapping[str, Any]] = self.ray.nodes()
        self.looked = time.monotonic()
        node = "" if foreign else found.node
        run = secrets.token_hex(6) if found.folder is None else str(found.folder)
        self.sender = Sender(self.ray.put, node, run, abroad=foreign or not found.here)  # nodes may join later
        self.orders = Orders(worker, self.sender)
        self.task, self.clear = self.ray.remote(task.run), self.ray.remote(clear)
        beside = on(found.node, soft=True)  # else news of all nodes might die with another one
        self.news = self.ray.remote(task.News).options(num_cpus=0, scheduling_strategy=beside).remote()
        self.heard: Any = None
        self.gpu_mb: float | None = None
        self.flying: dict[Any, Job] = {}

    @property
    def largest(self) -> Largest:
        return Largest.of(self.nodes)

    def run(self, cells: Sequence[Planned]) -> None:
        """Run cells; what another one starts from before it."""
        if self.where.gpu_share is None and self.largest.gpus and any(cell.training.device == "cuda" for cell in cells):
            self.gpu_mb = self._gpu_mb()
        self.jobs = Jobs(cells, self.worker, self._needs)
        try:
            while self.jobs.left:
                self._submit()
                self._collect()
                self._hear()
        finally:
            self._stop()

    def _needs(self, cell: Planned, past: Past) -> Needs:
        return needs(cell, memory_mb(cell, past, self.orders.encoder(cell)), self.largest, self.gpu_mb, self.where.gpu_share)

    def _gpu_mb(self) -> float:
        """Memory of the smallest GPU among nodes, as a task on each sees it."""
        ask = self.ray.remote(task.gpu_mb)
        asked = [
            ask.options(num_cpus=0, num_gpus=0.01, scheduling_strategy=on(node["NodeID"])).remote()
            for node in self.nodes
            if node["Alive"] and node["Resources"].get("GPU")
        ]
        return float(min(self.ray.get(asked)))

    def _submit(self) -> None:
        now = time.monotonic()
        if now - self.looked > AGAIN:
            self.nodes, self.looked = self.ray.nodes(), now
        room = min(MOST, AHEAD * max(1, int(self.largest.all_cpus))) - len(self.flying)
        passed: list[Job] = []
        while self.jobs.ready and room > 0:
            job = self.jobs.ready.pop()
            if job.waits or (job.look is not None and now < job.look) or not self._hold(job):
                passed.append(job)
            elif job.how is None:
                room -= self._begin(job)
        self.jobs.ready += reversed(passed)

    def _hold(self, job: Job) -> bool:
        """Take a job's lock; a job that somebody ran meanwhile ends. False: another process has it."""
        if job.lock is not None:
            return True
        with ExitStack() as stack:
            try:
                stack.enter_context(self.worker.store.lock(job.hash))
            except Busy:
                if job.look is None and job.shown:
                    self.watch.waiting(job.cell)
                job.look = time.monotonic() + AGAIN
                return False
            if job.worker.whole(job.hash) and (job.look is not None or not job.worker.force):
                self._end(job, "kept")
            else:
                job.lock = stack.pop_all()
        return True

    def _begin(self, job: Job) -> bool:
        """Submit a job that is held; False: it ended at once."""
        started = time.perf_counter()
        try:
            if job.above is not None and job.above.how == "failed":
                raise upstream_failed(job.above.cell)
            order = self.orders.order(job.cell, checkpoint=job.worker.wants_checkpoint(job.hash), small=job.small)
        except Exception as error:
            self._fail(job, error, started)
            return False
        job.begun += 1
        self.flying[self.task.options(**job.needs.options()).remote(order, self.news)] = job
        return True

    def _collect(self) -> None:
        """Store what tasks gave back."""
        if not self.flying:
            time.sleep(TICK if self.jobs.left else 0)  # all that is left is held by others
            return
        if self.ray.wait(list(self.flying), num_returns=1, timeout=TICK, fetch_local=False)[0]:
            self._hear()  # of starts before ends
        done, _ = self.ray.wait(list(self.flying), num_returns=len(self.flying), timeout=0, fetch_local=False)
        for ref in done:
            job = self.flying.pop(ref)
            started = time.perf_counter()
            try:
                made = self.ray.get(ref)
            except self.ray.exceptions.RayTaskError as error:  # the task could not even begin: its code or its parts are not there
                self._fail(job, error, started)
            except self.ray.exceptions.RayError as error:
                self._lost(job, error, started)
            else:
                self._take(job, made, started)

    def _take(self, job: Job, made: Any, started: float) -> None:
        self._tell(job, made.points)  # news may come late, or not at all
        if made.crowded and not job.small:
            job.small, job.needs = True, alone(job.needs)
            self.jobs.ready.append(job)
        elif made.failure is not None:
            self.worker.store.fail(job.hash, made.failure)
            self._end(job, "failed")
        else:
            try:
                job.worker.keep(job.cell, made.measured, partial(write, made.files))
            except WriteError:  # nor could the failure be written, nor any cell after this one
                raise
            except Exception as error:
                self._fail(job, error, started)
            else:
                self._end(job, "ran")

    def _lost(self, job: Job, error: Exception, started: float) -> None:
        """A worker or a node died: the cell is begun anew, where there is a place."""
        if isinstance(error, self.ray.exceptions.OutOfMemoryError):
            job.needs = more_memory(job.needs, self.largest)
        if job.begun < self.where.attempts:
            self.jobs.ready.append(job)
            return
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        mend = f"Cells that were done are kept. Is there memory enough? The last time: {type(error).__name__}: {first}"
        self._fail(job, KfbenchError(f"its worker or node died {job.begun} times", mend), started)

    def _fail(self, job: Job, error: BaseException, started: float) -> None:
        self.worker.store.fail(job.hash, failure(str(job.cell.id), error, started))
        self._end(job, "failed")

    def _end(self, job: Job, how: Ended) -> None:
        if job.lock is not None:
            job.lock.close()
        if self.jobs.end(job, how) and job.cell.upstream:
            self.sender.forget(hash_of(job.cell.upstream))
        if job.shown:
            if not job.told:
                self.watch.started(job.cell)
            self.report.ended.append((job.cell, how))
            self.watch.ended(job.cell, how)

    def _hear(self) -> None:
        """Tell the watch what running cells say, if it is at hand."""
        if self.heard is None:
            self.heard = self.news.hear.remote()
        if not self.ray.wait([self.heard], timeout=0)[0]:
            return
        try:
            rows = self.ray.get(self.heard)
        except self.ray.exceptions.RayError:  # its node died; cells do without
            rows = []
        self.heard = self.news.hear.remote()
        for hash, points in rows:
            self._tell(self.jobs.by_hash[hash], points)

    def _tell(self, job: Job, points: Sequence[Point]) -> None:
        """Tell the watch once that a cell has started, and once of each point: one that is begun anew passes them again."""
        if not job.shown or job.how is not None:
            return
        if not job.told:
            job.told = True
            self.watch.started(job.cell)
        for point in points[job.points :]:
            job.points += 1
            self.watch.point(job.cell, point)

    def _stop(self) -> None:
        """End what flies, let go of every lock, and leave nothing on the nodes."""
        for ref in self.flying:
            with suppress(Exception):
                self.ray.cancel(ref, force=True)
        for job in self.jobs.by_hash.values():
            if job.lock is not None:
                job.lock.close()
        if self.sender.abroad:
            with suppress(Exception):
                self._clear()

    def _clear(self) -> None:
        asked = [
            self.clear.options(num_cpus=0, scheduling_strategy=on(node["NodeID"])).remote(self.sender.run)
            for node in self.ray.nodes()
            if node["Alive"]
        ]
        self.ray.wait(asked, num_returns=len(asked), timeout=FAREWELL)


def on(node: str, *, soft: bool = False) -> Any:
    """The place of a task: a node by its id; soft: another one where it is gone."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=soft)
