"""Run one planned cell under its lock and leave it in the store."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmark.cell import Outcome, Point, run_cell
from benchmark.config import Params
from benchmark.plan import Planned, load_cell
from benchmark.provenance import commit, machine, packages
from benchmark.result import METRICS, PREDICTIONS, RUN, Run, dump
from benchmark.store import CHECKPOINT, LAST_PREDICTIONS, Failure, Store
from benchmark.workspace import Workspace
from splits.errors import KfbenchError
from splits.files import write_text

METHOD = "method.json"  # beside what a tagger saves: which class loads it
Ended = Literal["ran", "kept", "failed"]


@dataclass(frozen=True)
class Worker:
    """What every cell of a run shares.

    Attributes:
        checkpoints: keep the best tagger of every cell; otherwise only of `required` hashes.
        force: run a cell again that is done.
    """

    params: Params
    workspace: Workspace
    store: Store
    checkpoints: bool = False
    required: frozenset[str] = frozenset()
    force: bool = False

    def __call__(self, cell: Planned, watch: Callable[[Point], None], *, wait: bool = False) -> Ended:
        """Take the cell as it is if it is done, else run it; a failure is recorded, not raised.

        Raises:
            Busy: another process holds it, and `wait` is False.
            KfbenchError: the store cannot be written, or the data is not prepared.
        """
        hash = _hash(cell)
        if self.kept(cell):
            return "kept"
        with self.store.lock(hash, wait=wait):
            if self._whole(hash) and (wait or not self.force):  # somebody ran it while we waited
                return "kept"
            started = time.perf_counter()
            try:
                upstream = self._upstream(cell.upstream) if cell.upstream else None
                outcome = run_cell(load_cell(cell, self.params, self.workspace, upstream), watch)
                self._write(cell, outcome)
            except Exception as error:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                text = f"{type(error).__name__}: {error}"
                self.store.fail(hash, Failure(str(cell.id), text, traceback.format_exc(), now, round(time.perf_counter() - started, 3)))
                return "failed"
        return "ran"

    def kept(self, cell: Planned) -> bool:
        """Whether the cell is done and stays as it is."""
        return not self.force and cell.hash is not None and self._whole(cell.hash)

    def _whole(self, hash: str) -> bool:
        wanted = self.checkpoints or hash in self.required
        return self.store.done(hash) and (not wanted or self.store.checkpoint(hash) is not None)

    def _upstream(self, cell: Planned) -> Path:
        """The checkpoint that a method starts from; trained now if it is not there."""
        hash = _hash(cell)
        if self.store.checkpoint(hash) is None:
            above = Worker(self.params, self.workspace, self.store, checkpoints=True)
            if above(cell, lambda point: None, wait=True) == "failed":
                raise KfbenchError(f"{cell.id}, which this cell starts from, failed", "See `kfbench plan`; mend that one first.")
        found = self.store.checkpoint(hash)
        if found is None:
            raise KfbenchError(f"{cell.id} left no checkpoint", "Its method must save one.")
        return found

    def _write(self, cell: Planned, outcome: Outcome) -> None:
        hash = _hash(cell)
        with self.store.writing(hash) as directory:
            write_text(directory / METRICS, dump(outcome.metrics))
            write_text(directory / PREDICTIONS, outcome.predictions["dev"])
            write_text(directory / LAST_PREDICTIONS, outcome.predictions["last"])
            write_text(directory / RUN, dump(self._run(cell, outcome)))
            if self.checkpoints or hash in self.required:
                self._save(cell, outcome, directory / CHECKPOINT)
            self.store.write_manifest(directory, hash, cell.id, cell.config)

    def _run(self, cell: Planned, outcome: Outcome) -> Run:
        data = cell.config["data"]
        provenance: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "git": commit(),
            "packages": packages(),
            "machine": machine(cell.training.device),
            "corpus": {name: data[name] for name in ("train", "dev", "test")},
            "draw": data["sample"],
            "encoder": cell.config["encoder"] | {"given": self.params.encoders[cell.id.corpus].name},
            "config": cell.config,
            "modules": self._modules(cell),
        }
        return Run(
            hash=_hash(cell),
            curve=outcome.curve,
            seconds={name: round(value, 3) for name, value in outcome.seconds.items()},
            sentences_per_second=round(outcome.sentences_per_second, 3),
            peak_memory_mb=round(outcome.peak_memory_mb, 1),
            provenance=provenance,
        )

    def _modules(self, cell: Planned) -> dict[str, str]:
        """What the code in the cell's hash is made of; of a former plan nobody knows it any more."""
        found = self.workspace.methods.fingerprint(self.params.methods[cell.id.variant].method)
        return dict(found.modules) if found.sha256 == cell.config["code"] else {}

    def _save(self, cell: Planned, outcome: Outcome, directory: Path) -> None:
        directory.mkdir()
        outcome.fitted.best.save(directory)
        method = self.params.methods[cell.id.variant].method
        if ".py:" in method:
            path, _, name = method.rpartition(":")
            method = f"{Path(path).resolve()}:{name}"
        language = self.workspace.info(cell.id.corpus).language
        row = {"method": method, "corpus": cell.id.corpus, "language": language, "hash": _hash(cell)}
        write_text(directory / METHOD, json.dumps(row, ensure_ascii=False, indent=1) + "\n")


def _hash(cell: Planned) -> str:
    if cell.hash is None:
        what, mend = cell.lacking or ("its data are not there", "Run `dvc repro`.")
        raise KfbenchError(f"{cell.id}: {what}", mend)
    return cell.hash
