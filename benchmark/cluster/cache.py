"""The folder of a run on a node: there while a task of the run needs it, and removed by whoever comes after a run that was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from splits.files import stands_at


def cache(run: str) -> Path:
    """Where a node keeps what a run sends to it, and what it writes: below the run's own folder, if it has one."""
    if Path(run).is_absolute():
        return Path(run) / "cells"
    return Path(tempfile.gettempdir()) / f"{_prefix()}{run}"


@contextmanager
def held(run: str) -> Iterator[Path]:
    """The folder of a run, which nobody removes meanwhile; those of other runs go where no process needs them.

    The lock is a `flock`: it dies with the process, and a run that is killed has no other way to tell its nodes.
    """
    folder = cache(run)
    _sweep(folder)
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = _open(folder)
        except FileNotFoundError:  # removed before it was held
            continue
        except FileExistsError:  # removed as it was found to be there; a file in its place would stay
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise
            continue
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            if stands_at(folder, descriptor):
                yield folder
                return
        finally:
            os.close(descriptor)


def clear(run: str) -> None:
    """Remove what a run left on this node."""
    shutil.rmtree(cache(run), ignore_errors=True)


def _prefix() -> str:
    return f"kfbench-{os.getuid()}-"


def _sweep(mine: Path) -> None:
    """Remove folders of other runs that no process holds: a live run whose tasks all pause would unpack its own again."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        if folder == mine:
            continue
        try:
            descriptor = _open(folder)
        except OSError:  # gone, or no folder
            continue
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stands_at(folder, descriptor):  # else it is a new one, which somebody may hold
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # somebody holds it, or this file system has no locks to ask
            continue
        finally:
            os.close(descriptor)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
