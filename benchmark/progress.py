"""What a person sees while cells run: a bar on a terminal, a line a cell elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmark.cell import Point
from benchmark.plan import Planned
from benchmark.store import Store
from benchmark.worker import Ended


class Bar:
    """Cell k of n, its name, its latest dev F1, and the time that is left."""

    def __init__(self, store: Store, total: int, console: Console | None = None) -> None:
        self.store = store
        self.total = total
        self.console = console or Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("", total=total, left="")
        self._done = 0
        self._ran = 0
        self._begun = time.perf_counter()
        self._started: dict[str, float] = {}

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def started(self, cell: Planned) -> None:
        self._started[str(cell.id)] = time.perf_counter()
        self._bar.update(self._task, description=str(cell.id))

    def point(self, cell: Planned, point: Point) -> None:
        text = f"{cell.id}  step {point['step']}  dev F1 {100 * point['dev_f1']:.1f}"
        self._bar.update(self._task, description=text)

    def waiting(self, cell: Planned) -> None:
        self.console.print(f"{cell.id}: another process runs it; coming back to it later")

    def ended(self, cell: Planned, how: Ended) -> None:
        self._done += 1
        now = time.perf_counter()
        seconds = now - self._started.get(str(cell.id), now)
        self._ran += how == "ran"
        left = duration((now - self._begun) / self._ran * (self.total - self._done)) + " left" if self._ran else ""
        self._bar.update(self._task, completed=self._done, left=left)
        for warning in self.store.moved:
            self.console.print(f"[yellow]warning:[/] {escape(warning)}")
        self.store.moved.clear()
        self.console.print(f"[{self._done}/{self.total}] {cell.id}: {self._text(cell, how)} ({seconds:.0f} s{', ' + left if left else ''})")

    def _text(self, cell: Planned, how: Ended) -> str:
        hash = cell.hash or ""
        if how == "failed":
            failure = self.store.failure(hash)
            return f"[red]failed[/]: {escape(failure.error.splitlines()[0]) if failure else 'see the store'}"
        metrics = self.store.metrics(hash)
        done = "done before" if how == "kept" else "done"
        selected = metrics.selected.get("dev_f1")
        dev = "" if selected is None else f", dev {100 * selected:.1f}"
        return f"{done}, test F1 {100 * metrics.score.micro.f1:.1f}{dev}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
