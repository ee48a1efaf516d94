"""Where cells live: a directory a hash, whole or absent, one worker at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark.result import METRICS, CellId, Metrics, NewerError, Run, load_metrics, load_run
from splits.errors import KfbenchError, WriteError
from splits.files import sha256, write_text
from splits.terminal import shown

LAST_PREDICTIONS = "predictions.last.jsonl"  # of the last step's tagger; PREDICTIONS are of the one chosen on dev
MANIFEST = "cell.json"  # cell, configuration, and sha256 of every other file
CHECKPOINT = "checkpoint"
BROKEN = "broken"  # damaged cells are moved there, not deleted: somebody may want to know why
HASH = 64  # characters of a sha256


class Busy(Exception):  # noqa: N818 - not an error: somebody else is at work
    """Another process holds the cell's lock."""


@dataclass(frozen=True)
class Failure:
    """A run that raised: when, what, and the traceback."""

    cell: str
    error: str
    traceback: str
    time: str
    seconds: float


class Store:
    """Cells under their hashes.

    A cell is written into a temporary neighbour and renamed, so that a process killed at any moment leaves a whole cell
    or none. Its lock is a `flock`: it dies with the process that holds it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moved: list[str] = []  # warnings about damaged cells, for whoever shows them

    def path(self, hash: str) -> Path:
        return self.root / hash

    def done(self, hash: str) -> bool:
        """Whether a whole cell is there; a damaged one is not."""
        return self.path(hash).is_dir() and self.damage(hash) is None

    def damage(self, hash: str) -> str | None:
        """What is wrong with a cell's directory, or None."""
        return damage(self.path(hash), hash)

    def metrics(self, hash: str) -> Metrics:
        return load_metrics(self.path(hash))

    def run(self, hash: str) -> Run:
        return load_run(self.path(hash))

    def checkpoint(self, hash: str) -> Path | None:
        """Where the best tagger is saved, or None."""
        directory = self.path(hash) / CHECKPOINT
        return directory if directory.is_dir() else None

    def whole_checkpoint(self, hash: str) -> Path | None:
        """The best tagger, every byte of it as it was saved: what another cell may start from. A damaged one is moved aside."""
        directory = self.checkpoint(hash)
        if directory is None or (damage := checkpoint_damage(self.path(hash))) is None:
            return directory
        with self.lock(hash, wait=True):
            if (directory := self.checkpoint(hash)) is not None:
                (self.root / BROKEN).mkdir(exist_ok=True)
                target = Path(tempfile.mkdtemp(prefix=f"{hash}-{CHECKPOINT}-", dir=self.root / BROKEN))
                directory.rename(target)
                self.moved.append(f"the tagger of cell {hash[:12]} is damaged ({damage}); moved to {target}, it will be trained again")
        return None

    def refuse_newer(self, hash: str) -> None:
        """Leave a cell alone that a later version of this code wrote.

        Raises:
            NewerError: it is one.
        """
        if self.path(hash).exists():
            try:
                load_metrics(self.path(hash))
            except NewerError:
                raise
            except KfbenchError:
                pass

    @contextmanager
    def lock(self, hash: str, *, wait: bool = False) -> Iterator[None]:
        """Hold a cell; inside, nobody else writes it, and what a dead process left of it is gone.

        Raises:
            Busy: another process holds it, and `wait` is False.
            NewerError: a later version of this code wrote it.
            WriteError: the store cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        lock = FileLock(self.root / f"{hash}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0, poll_interval=0.2)
        except Timeout:
            raise Busy(hash) from None
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            with os.scandir(self.root) as entries:  # not a glob: a pattern a cell would fill the caches of `re`
                left = [entry.path for entry in entries if entry.name.startswith(f".tmp-{hash}-")]
            for path in left:
                shutil.rmtree(path, ignore_errors=True)
            self._set_aside(hash)
            yield
        finally:
            lock.release()

    def running(self, hash: str) -> bool:
        """Whether some process holds the cell."""
        path = self.root / f"{hash}.lock"
        if not path.exists():
            return False
        try:
            descriptor = os.open(path, os.O_RDONLY)  # for reading: whoever may only look at a store may ask, too
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        finally:
            os.close(descriptor)
        return False

    def _set_aside(self, hash: str) -> None:
        if not self.path(hash).exists() or (damage := self.damage(hash)) is None:
            return
        self.refuse_newer(hash)
        (self.root / BROKEN).mkdir(exist_ok=True)
        target = Path(tempfile.mkdtemp(prefix=f"{hash}-", dir=self.root / BROKEN))  # a clock gives a name twice; a rename replaces it
        self.path(hash).rename(target)
        self.moved.append(f"cell {hash[:12]} is damaged ({damage}); moved to {target}, it will be run again")

    def clean(self) -> None:
        """Remove what dead processes left half-written; a cell that somebody holds is not touched."""
        if not self.root.is_dir():
            return
        for left in [*self.root.glob(".tmp-*"), *self.root.glob(".*.failed.json.tmp")]:
            hash = left.name.removeprefix(".tmp-").removeprefix(".")[:HASH]
            try:
                with self.lock(hash):
                    left.unlink() if left.is_file() else shutil.rmtree(left, ignore_errors=True)
            except Busy:
                continue

    @contextmanager
    def writing(self, hash: str) -> Iterator[Path]:
        """A temporary directory that becomes the cell's, at once, when the block ends well. The caller holds the lock."""
        try:
            temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{hash}-", dir=self.root))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _to_disk(file)
            _to_disk(temporary)
            temporary.chmod(0o755)  # mkdtemp's is private
            if self.path(hash).exists():  # --force: a rename cannot replace a directory that is not empty
                shutil.rmtree(self.path(hash))
            temporary.rename(self.path(hash))
            _to_disk(self.root)
            self._failure_file(hash).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _unwritable(self, error: OSError) -> WriteError:
        return WriteError(f"{self.root}: the store cannot be written: {error.strerror}", "Check space and permissions, then run again.")

    def write_manifest(self, directory: Path, hash: str, cell: CellId, config: Mapping[str, Any]) -> None:
        """Say what the files of a cell are, once all of them are written."""
        files = {f.name: sha256(f) for f in sorted(directory.iterdir()) if f.is_file()}
        row = {"cell": cell.model_dump(), "hash": hash, "config": dict(config), "files": files}
        if (directory / CHECKPOINT).is_dir():  # apart: it may go (`kfbench gc`) and the cell stays whole
            row[CHECKPOINT] = {str(f.relative_to(directory / CHECKPOINT)): sha256(f) for f in _files(directory / CHECKPOINT)}
        text = json.dumps(row, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        (directory / MANIFEST).write_bytes(text.encode("utf-8"))  # brought to disk with all others

    def fail(self, hash: str, failure: Failure) -> None:
        """Keep why a cell failed; it is no result, and the next run tries again."""
        self.root.mkdir(parents=True, exist_ok=True)
        row = {name: shown(value) if isinstance(value, str) else value for name, value in vars(failure).items()}
        write_text(self._failure_file(hash), json.dumps(row, ensure_ascii=False, indent=1) + "\n")

    def failure(self, hash: str) -> Failure | None:
        """Why the last run of a cell failed, or None."""
        try:
            found = Failure(**json.loads(self._failure_file(hash).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        texts = (found.cell, found.error, found.traceback, found.time)
        return found if all(isinstance(text, str) for text in texts) and isinstance(found.seconds, int | float) else None

    def _failure_file(self, hash: str) -> Path:
        return self.root / f"{hash}.failed.json"

    def forget(self, hash: str) -> None:
        """Remove a cell, its failure and its lock's file."""
        with self.lock(hash):
            shutil.rmtree(self.path(hash), ignore_errors=True)
            self._failure_file(hash).unlink(missing_ok=True)
        (self.root / f"{hash}.lock").unlink(missing_ok=True)

    def hashes(self) -> list[str]:
        """Of every cell that has a directory or a failure here, damaged ones too."""
        if not self.root.is_dir():
            return []
        with os.scandir(self.root) as entries:  # whose kind it knows without a look at each: there may be thousands
            names = {entry.name.removesuffix(".failed.json") for entry in entries if entry.is_dir() or entry.name.endswith(".failed.json")}
        return sorted(name for name in names if len(name) == HASH and not name.startswith("."))

    def cells(self) -> dict[str, CellId]:
        """Which cell each stored hash is of, as its manifest says."""
        found = {}
        for hash in self.hashes():
            try:
                found[hash] = CellId(**json.loads((self.path(hash) / MANIFEST).read_text(encoding="utf-8"))["cell"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
        return found


def damage(directory: Path, hash: str) -> str | None:
    """What is wrong with a directory that should hold a cell, or None: every byte is read."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        if manifest["hash"] != hash:
            return f"{MANIFEST} belongs to cell {manifest['hash']}"
        for name, expected in manifest["files"].items():
            if hashlib.sha256((directory / name).read_bytes()).hexdigest() != expected:
                return f"{name} is not what was written"
        if load_metrics(directory).hash != hash:
            return f"{METRICS} belongs to another cell"
    except KfbenchError as error:
        return error.what
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"{MANIFEST}: {error}"
    return None


def checkpoint_damage(directory: Path) -> str | None:
    """What is wrong with the checkpoint in a cell's directory, or None: every byte is read.

    One that the manifest has no sums of is damaged: nobody can tell.
    """
    try:
        sums = json.loads((directory / MANIFEST).read_text(encoding="utf-8")).get(CHECKPOINT)
        if not isinstance(sums, dict):
            return f"{MANIFEST} has no sums of it"
        there = {str(f.relative_to(directory / CHECKPOINT)): f for f in _files(directory / CHECKPOINT)}
        if odd := sorted(sums.keys() ^ there.keys()):
            return f"{odd[0]} is {'not there' if odd[0] in sums else 'none of its files'}"
        wrong = next((name for name, file in there.items() if sha256(file) != sums[name]), None)
        return None if wrong is None else f"{wrong} is not what was written"
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        return str(error)


def _files(directory: Path) -> list[Path]:
    """Its files at any depth, and links, which no checkpoint has."""
    return sorted(f for f in directory.rglob("*") if f.is_symlink() or not f.is_dir())


def prune(store: Store, keep: frozenset[str], checkpoints: frozenset[str] | None, *, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Remove cells that are not among `keep`, and checkpoints that are not among `checkpoints` (None: all stay).

    Returns:
        Hashes of the cells, and of the cells whose checkpoint alone, that went or would go; a cell that runs stays.
    """
    cells = [hash for hash in store.hashes() if hash not in keep and not store.running(hash)]
    alone = [h for h in store.hashes() if h in keep and checkpoints is not None and h not in checkpoints and store.checkpoint(h)]
    if not dry_run:
        for hash in cells:
            store.forget(hash)
        for hash in alone:
            shutil.rmtree(store.path(hash) / CHECKPOINT)
    return cells, alone


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
