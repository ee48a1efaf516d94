"""Memory that one training step frees and the next asks for again: kept, where the C library would hand it back in between."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Of mallopt(3).
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
NEVER = -1
# Where glibc's own adjustment of its thresholds ends, once a program has freed something large; setting any of them ends
# that adjustment for good, so this is what the process goes on with.
ADJUSTED = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20, MMAP_MAX: 1 << 16}

_open: list[None] = []  # blocks that have not ended


@contextmanager
def kept_memory() -> Iterator[None]:
    """Until the block ends, freed memory stays with the process; `give_back` hands it to the system.

    The gradients of a BERT-base are half a gigabyte a step. Handed back and asked for again, every page of it is cleared
    by the system first. Blocks may nest. Nothing changes under another C library than glibc.
    """
    library = _glibc()
    if library is None:
        yield
        return
    adjust = library.mallopt
    _open.append(None)
    adjust(MMAP_MAX, 0)
    adjust(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        _open.pop()
        if not _open:
            for name, value in ADJUSTED.items():
                adjust(name, value)


def give_back() -> None:
    """Hand the system what is free: what comes next may need less, or be another process."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  who has it is glibc
    except (AttributeError, OSError):
        return None
    return library
