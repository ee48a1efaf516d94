"""What stands in a store, at a glance: of a cell that was looked at before, only sizes and times of its files are read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.store import MANIFEST, Store
from splits.errors import KfbenchError
from splits.files import stamp, write_text

INDEX = ".index.json"  # in the store; to lose it costs one long look
NOTES = ".index.log"  # beside it: cells that were written since, a line each, so that those of a killed run are known too


@dataclass(frozen=True, slots=True)
class Seen:
    """A whole cell: name, size and times of each file as they were when it was found whole, and what a plan asks of it."""

    files: str
    cell: str
    seconds: float | None
    memory: float | None = None


class Index:
    """Whole cells of a store. Who is about to use a cell asks the store itself, which reads every byte."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._path = store.root / INDEX
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            self._seen = {hash: Seen(*row) for hash, row in rows.items() if _fits(*row)}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):  # absent or damaged: look again
            self._seen = {}
        self._noted = _notes(store.root / NOTES)
        self._seen |= self._noted

    def whole(self, hashes: Iterable[str]) -> dict[str, Seen]:
        """Those of the hashes that are whole cells here; what is new is remembered."""
        found, fresh = {}, bool(self._noted)
        for hash in hashes:
            files = _files(self.store, hash)
            known = self._seen.get(hash)
            if files and (known is None or known.files != files):
                known, fresh = self._look(hash, files), True
            if files and known is not None:
                self._seen[hash] = found[hash] = known
        if fresh:
            self._save()
        return found

    def _look(self, hash: str, files: str) -> Seen | None:
        if not self.store.done(hash):
            return None
        cell = json.loads((self.store.path(hash) / MANIFEST).read_text(encoding="utf-8"))["cell"]
        try:
            run = self.store.run(hash)
            seconds, memory = run.seconds.get("total"), run.peak_memory_mb
        except KfbenchError:
            seconds = memory = None
        return Seen(files, "{corpus}/{variant}/{size}/{draw}-{seed}".format(**cell), seconds, memory)

    def _save(self) -> None:
        there = set(self.store.hashes())
        rows = {hash: list(asdict(seen).values()) for hash, seen in self._seen.items() if hash in there}
        with suppress(KfbenchError, OSError):  # a store that may only be read is looked at again each time
            write_text(self._path, json.dumps(rows) + "\n")
            (self.store.root / NOTES).unlink(missing_ok=True)  # a note that comes between costs its cell a look
            self._noted = {}


def note(store: Store, hash: str, cell: str, seconds: float | None, memory: float) -> None:
    """Remember a cell that was just written whole; several processes may."""
    row = [hash, *asdict(Seen(_files(store, hash), cell, seconds, memory)).values()]
    with suppress(OSError), (store.root / NOTES).open("ab") as file:
        file.write((json.dumps(row) + "\n").encode())  # one write, appended as a whole


def _notes(path: Path) -> dict[str, Seen]:
    found = {}
    with suppress(OSError):
        for line in path.read_bytes().splitlines():
            with suppress(ValueError, TypeError, RecursionError):  # cut short by a kill: that cell is looked at
                hash, *row = json.loads(line)
                if isinstance(hash, str) and _fits(*row):
                    found[hash] = Seen(*row)
    return found


def _files(store: Store, hash: str) -> str:
    try:
        with os.scandir(store.path(hash)) as entries:
            rows = [(entry.name, entry.stat()) for entry in entries if not entry.is_dir()]
    except OSError:
        return ""
    return " ".join(f"{name}:{stamp(stat)}" for name, stat in sorted(rows, key=lambda row: row[0]))


def _fits(files: Any, cell: Any, *figures: Any) -> bool:
    return isinstance(files, str) and isinstance(cell, str) and all(figure is None or isinstance(figure, int | float) for figure in figures)
