"""The engine `processes`: cells side by side on one machine, a process a worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import Queue
from queue import Empty
from typing import Any

from benchmark.cell import Point
from benchmark.engine import Report, Watch
from benchmark.local import WORKERS
from benchmark.plan import Filter, Planned, make_plan
from benchmark.result import CellId
from benchmark.store import Busy
from benchmark.worker import Ended, Worker
from splits.errors import KfbenchError

TICK = 0.2  # seconds between two looks at the children

_worker: Worker  # of a child, and where its news go: set once, when the child starts
_news: Queue[Any]
_at_work = threading.Lock()  # held by a child while it runs a cell


@dataclass(frozen=True)
class Processes:
    """As many cells at a time as there are `workers`; all cells of a plan share them, so nothing waits for a slow variant.

    A child builds the plan for itself: a method from a file cannot be sent. One that dies takes its cells with it as
    failures of the run; whole cells are in the store, and the next run does the rest.
    """

    workers: int

    def run(self, cells: Sequence[Planned], worker: Worker, watch: Watch) -> Report:
        report = Report()
        worker.store.clean()
        waiting = []
        for cell in cells:  # what is done needs no child, whose start takes seconds
            if worker.kept(cell):
                watch.started(cell)
                report.ended.append((cell, "kept"))
                watch.ended(cell, "kept")
            else:
                waiting.append(cell)
        if waiting:
            self._train(waiting, worker, watch, report)
        return report

    def _train(self, cells: Sequence[Planned], worker: Worker, watch: Watch, report: Report) -> None:
        context = multiprocessing.get_context("spawn")  # fork would copy torch's threads half alive
        news: Queue[Any] = context.Queue()
        by_name = {str(cell.id): cell for cell in cells}
        pool = ProcessPoolExecutor(min(self.workers, len(cells)), context, _begin, (worker, news))
        try:
            pending: dict[Future[Ended], Planned] = {pool.submit(_run, cell.id): cell for cell in cells}
            while pending:
                done, _ = wait(pending, TICK, FIRST_COMPLETED)
                _tell(news, by_name, watch)
                for future in done:
                    cell = pending.pop(future)
                    how = future.result()
                    report.ended.append((cell, how))
                    watch.ended(cell, how)
            pool.shutdown()
        except KeyboardInterrupt:
            report.interrupted = True
            _stop(pool)
        except BrokenProcessPool:
            _stop(pool)
            raise KfbenchError(
                "a worker process died: out of memory, or killed", f"Whole cells are kept. Run again with a lower {WORKERS}."
            ) from None
        except BaseException:
            _stop(pool)
            raise


def _tell(news: Queue[Any], cells: Mapping[str, Planned], watch: Watch) -> None:
    while True:
        try:
            what, name, point = news.get_nowait()
        except Empty:
            return
        if what == "point":
            watch.point(cells[name], point)
        elif what == "waiting":
            watch.waiting(cells[name])
        else:
            watch.started(cells[name])


def _stop(pool: ProcessPoolExecutor) -> None:
    children = list((pool._processes or {}).values())  # a public way to end them comes with Python 3.14
    pool.shutdown(wait=False, cancel_futures=True)
    for child in children:  # a cell may take hours: it is not awaited, and the store takes no harm
        child.terminate()
    for child in children:
        child.join()


def _begin(worker: Worker, news: Queue[Any]) -> None:
    global _worker, _news
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides
    _worker, _news = worker, news
    threading.Thread(target=_outlived, daemon=True).start()


def _outlived() -> None:
    """End this child when its parent was killed, after the cell at hand: nobody would give it another, nor end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        with _at_work:
            os._exit(0)


def _run(id: CellId) -> Ended:
    """A cell, in a child."""
    only = Filter([id.corpus], [id.variant], [id.size], [id.draw], [id.seed])
    cell = make_plan(_worker.params, _worker.workspace, only).cells[0]
    name = str(id)
    _news.put(("started", name, None))

    def point(found: Point) -> None:
        _news.put(("point", name, found))

    with _at_work:
        try:
            return _worker(cell, point)
        except Busy:
            _news.put(("waiting", name, None))
            return _worker(cell, point, wait=True)
