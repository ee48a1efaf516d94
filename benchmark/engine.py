"""Where cells run: one after the other here; engines that spread them have the same face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmark.cell import Point
from benchmark.local import ENGINE, Local, local
from benchmark.plan import Planned
from benchmark.store import Busy
from benchmark.worker import Ended, Worker
from splits.errors import ConfigError


class Watch(Protocol):
    """Who looks on while cells run."""

    def started(self, cell: Planned) -> None: ...
    def point(self, cell: Planned, point: Point) -> None: ...
    def waiting(self, cell: Planned) -> None: ...
    def ended(self, cell: Planned, how: Ended) -> None: ...


@dataclass
class Report:
    """How each cell ended; `interrupted` by Ctrl-C, what was done by then is kept."""

    ended: list[tuple[Planned, Ended]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def failed(self) -> list[Planned]:
        return [cell for cell, how in self.ended if how == "failed"]

    def count(self, how: Ended) -> int:
        return sum(h == how for _, h in self.ended)


class Engine(Protocol):
    """Runs cells; a failed one does not stop the others."""

    def run(self, cells: Sequence[Planned], worker: Worker, watch: Watch) -> Report: ...


class Serial:
    """In this process, in the order of the plan. A cell that another process holds is left for the end, then awaited."""

    def run(self, cells: Sequence[Planned], worker: Worker, watch: Watch) -> Report:
        report = Report()
        worker.store.clean()
        busy: list[Planned] = []
        try:
            for cell in cells:
                try:
                    self._one(cell, worker, watch, report, wait=False)
                except Busy:
                    watch.waiting(cell)
                    busy.append(cell)
            for cell in busy:
                self._one(cell, worker, watch, report, wait=True)
        except KeyboardInterrupt:
            report.interrupted = True
        return report

    def _one(self, cell: Planned, worker: Worker, watch: Watch, report: Report, *, wait: bool) -> None:
        watch.started(cell)
        how = worker(cell, lambda point: watch.point(cell, point), wait=wait)
        report.ended.append((cell, how))
        watch.ended(cell, how)


def _serial(where: Local) -> Engine:
    return Serial()


def _processes(where: Local) -> Engine:
    from benchmark.processes import Processes

    return Processes(where.cores)


def _ray(where: Local) -> Engine:
    from benchmark.cluster.engine import Ray

    return Ray(where)


ENGINES: Mapping[str, Callable[[Local], Engine]] = {"serial": _serial, "processes": _processes, "ray": _ray}


def side_by_side(where: Local, threads: int) -> int | None:
    """How many cells of so many threads run at a time; None: the cluster knows."""
    if where.engine == "serial":
        return 1
    if where.engine == "processes":
        return where.cores
    return None if where.address and where.workers is None else max(1, where.cores // threads)


def engine(root: Path | str = ".") -> Engine:
    """The engine that the environment names, or the local file of the profile in `root`.

    Raises:
        ConfigError: there is none of that name, or a setting is wrong.
    """
    where = local(root)
    if where.engine not in ENGINES:
        raise ConfigError(f"{ENGINE}={where.engine}: there is no such engine", f"Known: {', '.join(ENGINES)}.")
    return ENGINES[where.engine](where)
