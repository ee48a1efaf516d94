"""Run one planned cell under its lock and leave it in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.cell import Point
from benchmark.computing import Measured, compute, failure, leave, now
from benchmark.config import Params
from benchmark.index import note
from benchmark.plan import Planned, load_cell
from benchmark.provenance import commit
from benchmark.result import RUN, Run, dump
from benchmark.store import CHECKPOINT, Store
from benchmark.workspace import Workspace
from splits.errors import KfbenchError, WriteError

METHOD = "method.json"  # beside what a tagger saves: which class loads it
Ended = Literal["ran", "kept", "failed"]


@dataclass(frozen=True)
class Worker:
    """What every cell of a run shares.

    Attributes:
        checkpoints: keep the best tagger of every cell; otherwise only of `required` hashes.
        force: run a cell again that is done.
        git: the checkout's commit, where somebody has looked; None: look for each cell.
    """

    params: Params
    workspace: Workspace
    store: Store
    checkpoints: bool = False
    required: frozenset[str] = frozenset()
    force: bool = False
    git: Mapping[str, Any] | None = None

    def __call__(self, cell: Planned, watch: Callable[[Point], None], *, wait: bool = False) -> Ended:
        """Take the cell as it is if it is done, else run it; a failure is recorded, not raised.

        Raises:
            Busy: another process holds it, and `wait` is False.
            KfbenchError: the store cannot be written, or the data is not prepared.
        """
        hash = hash_of(cell)
        if self.kept(cell):
            return "kept"
        with self.store.lock(hash, wait=wait):
            if self.whole(hash) and (wait or not self.force):  # somebody ran it while we waited
                return "kept"
            started = time.perf_counter()
            try:
                upstream = self._upstream(cell.upstream) if cell.upstream else None
                outcome, measured = compute(load_cell(cell, self.params, self.workspace, upstream), watch)
                self.keep(cell, measured, lambda directory: leave(outcome, directory, checkpoint=self.wants_checkpoint(hash)))
            except WriteError:  # nor could the failure be written, nor any cell after this one
                raise
            except Exception as error:
                self.store.fail(hash, failure(str(cell.id), error, started))
                return "failed"
        return "ran"

    def kept(self, cell: Planned) -> bool:
        """Whether the cell is done and stays as it is."""
        return not self.force and cell.hash is not None and self.whole(cell.hash)

    def whole(self, hash: str) -> bool:
        """Whether a cell is done, with its checkpoint if that is wanted."""
        return self.store.done(hash) and (not self.wants_checkpoint(hash) or self.store.checkpoint(hash) is not None)

    def wants_checkpoint(self, hash: str) -> bool:
        return self.checkpoints or hash in self.required

    def _upstream(self, cell: Planned) -> Path:
        """The checkpoint that a method starts from; trained now if it is not there."""
        if (found := self.store.whole_checkpoint(hash_of(cell))) is not None:
            return found
        above = Worker(self.params, self.workspace, self.store, checkpoints=True)
        if above(cell, lambda point: None, wait=True) == "failed":
            raise upstream_failed(cell)
        return self.checkpoint(cell)

    def checkpoint(self, cell: Planned) -> Path:
        """Where the tagger of a done cell is, every byte of it checked.

        Raises:
            KfbenchError: it left none, or it is damaged; the next run trains it again.
        """
        found = self.store.whole_checkpoint(hash_of(cell))
        if found is None:
            raise KfbenchError(f"{cell.id} left no checkpoint", "Its method must save one.")
        return found

    def keep(self, cell: Planned, measured: Measured, files: Callable[[Path], None]) -> None:
        """Write a cell that was computed, here or elsewhere; the caller holds its lock.

        Args:
            files: writes what the computation left into the directory that it is given.
        """
        hash = hash_of(cell)
        with self.store.writing(hash) as directory:
            files(directory)
            (directory / RUN).write_bytes(dump(self._run(cell, measured)).encode("utf-8"))
            if (directory / CHECKPOINT).is_dir():
                self._say_method(cell, directory / CHECKPOINT)
            self.store.write_manifest(directory, hash, cell.id, cell.config)
        note(self.store, hash, str(cell.id), measured.seconds.get("total"), measured.peak_memory_mb)

    def _run(self, cell: Planned, measured: Measured) -> Run:
        data = cell.config["data"]
        provenance: dict[str, Any] = {
            "time": now(),
            "git": dict(self.git or commit()),
            "packages": measured.packages,
            "machine": measured.machine,
            "corpus": {name: data[name] for name in ("train", "dev", "test")},
            "draw": data["sample"],
            "encoder": cell.config["encoder"] | {"given": self.params.encoders[cell.id.corpus].name},
            "config": cell.config,
            "modules": self._modules(cell),
        }
        return Run(
            hash=hash_of(cell),
            curve=measured.curve,
            seconds=measured.seconds,
            sentences_per_second=measured.sentences_per_second,
            peak_memory_mb=measured.peak_memory_mb,
            retried=measured.retried,
            provenance=provenance,
        )

    def _modules(self, cell: Planned) -> dict[str, str]:
        """What the code in the cell's hash is made of; of a former plan nobody knows it any more."""
        found = self.workspace.methods.fingerprint(self.params.methods[cell.id.variant].method)
        return dict(found.modules) if found.sha256 == cell.config["code"] else {}

    def _say_method(self, cell: Planned, directory: Path) -> None:
        method = self.params.methods[cell.id.variant].method
        if ".py:" in method:
            path, _, name = method.rpartition(":")
            method = f"{Path(path).resolve()}:{name}"
        language = self.workspace.info(cell.id.corpus).language
        row = {"method": method, "corpus": cell.id.corpus, "language": language, "hash": hash_of(cell)}
        (directory / METHOD).write_bytes((json.dumps(row, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))


def upstream_failed(cell: Planned) -> KfbenchError:
    """Why a cell fails that starts from a failed one."""
    return KfbenchError(f"{cell.id}, which this cell starts from, failed", "See `kfbench plan`; mend that one first.")


def hash_of(cell: Planned) -> str:
    """The hash of a cell that can run.

    Raises:
        KfbenchError: something that it reads is not there.
    """
    if cell.hash is None:
        what, mend = cell.lacking or ("its data are not there", "Run `dvc repro`.")
        raise KfbenchError(f"{cell.id}: {what}", mend)
    return cell.hash
